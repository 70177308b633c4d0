#include "tiers/invalidation_event.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <utility>

namespace terrace {

namespace {

using json = nlohmann::ordered_json;

constexpr std::pair<const char*, selector::kind> kinds[]
  = {{"key", selector::kind::key},       {"prefix", selector::kind::prefix},
     {"glob", selector::kind::glob},     {"tag", selector::kind::tag},
     {"tenant", selector::kind::tenant}, {"all", selector::kind::all}};

/// What is wrong with a message; caught where parsing begins.
struct mistake {
  std::string text;
};

std::string to_hex(std::string_view x) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string result;
  for (auto c : x) {
    result += digits[static_cast<unsigned char>(c) >> 4];
    result += digits[static_cast<unsigned char>(c) & 15];
  }
  return result;
}

std::string from_hex(std::string_view x) {
  auto value = [](char c) {
    auto at = std::string_view{"0123456789abcdef"}.find(c);
    return at == std::string_view::npos
             ? throw mistake{"what ends in _hex is not hexadecimal"}
             : static_cast<unsigned>(at);
  };
  if (x.size() % 2 != 0)
    throw mistake{"what ends in _hex has an odd length"};
  std::string result;
  for (std::size_t i = 0; i < x.size(); i += 2)
    result += static_cast<char>(value(x[i]) << 4 | value(x[i + 1]));
  return result;
}

bool is_utf8(std::string_view x) {
  // Overlong forms and surrogates do no harm here: what matters is that the
  // writer takes it.
  try {
    static_cast<void>(json(std::string{x}).dump());
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

void put_text(json& to, const char* name, std::string_view x) {
  if (is_utf8(x))
    to[name] = x;
  else
    to[std::string{name} + "_hex"] = to_hex(x);
}

const json* member(const json& of, const std::string& name) {
  auto i = of.find(name);
  return i != of.end() ? &*i : nullptr;
}

std::string text_of(const json& x, const std::string& name) {
  if (!x.is_string())
    throw mistake{name + " is not a string"};
  return x.get<std::string>();
}

std::uint64_t number_of(const json& x, const std::string& name) {
  if (!x.is_number_unsigned())
    throw mistake{name + " is not a number"};
  return x.get<std::uint64_t>();
}

std::uint64_t number_in(const json& of, const std::string& name) {
  auto* x = member(of, name);
  return x ? number_of(*x, name) : 0;
}

std::string text_in(const json& of, const std::string& name) {
  auto* x = member(of, name);
  return x ? text_of(*x, name) : std::string{};
}

std::optional<std::string> coded_text_in(const json& of,
                                         const std::string& name) {
  if (auto* x = member(of, name))
    return text_of(*x, name);
  if (auto* x = member(of, name + "_hex"))
    return from_hex(text_of(*x, name + "_hex"));
  return std::nullopt;
}

tenant_id tenant_in(const json& of) {
  auto n = number_in(of, "tenant");
  if (n > std::numeric_limits<tenant_id>::max())
    throw mistake{"tenant is too large"};
  return static_cast<tenant_id>(n);
}

removal removal_of(const json& x) {
  if (!x.is_object())
    throw mistake{"an element of keys is not an object"};
  auto key = coded_text_in(x, "key");
  if (!key)
    throw mistake{"an element of keys has no key"};
  return {qualify(tenant_in(x), *key), number_in(x, "version")};
}

selector selector_of(const json& x) {
  selector result;
  result.tenant = tenant_in(x);
  if (auto key = coded_text_in(x, "key")) {
    result.what = selector::kind::key;
    result.text = *std::move(key);
    return result;
  }
  auto kind = text_in(x, "kind");
  for (auto& [text, what] : kinds)
    if (kind == text) {
      result.what = what;
      result.text = coded_text_in(x, "text").value_or("");
      return result;
    }
  throw mistake{kind.empty() ? "neither keys nor a key nor a kind"
                             : "unknown kind"};
}

invalidation_event event_of(const json& x) {
  invalidation_event result;
  result.node = text_in(x, "node");
  result.seq = number_in(x, "seq");
  result.reason = text_in(x, "reason");
  if (result.node.empty() != (result.seq == 0))
    throw mistake{"node and seq belong together"};
  if (auto* keys = member(x, "keys")) {
    if (!keys->is_array())
      throw mistake{"keys is not an array"};
    for (auto& key : *keys)
      result.keys.push_back(removal_of(key));
  }
  if (result.keys.empty()) {
    result.what = selector_of(x);
    result.up_to = number_in(x, "version");
  }
  return result;
}

node_beat beat_of(const json& x) {
  node_beat result;
  result.node = text_in(x, "node");
  result.beat = number_in(x, "beat");
  result.seq = number_in(x, "seq");
  result.lag_ms = number_in(x, "lag_ms");
  if (result.node.empty())
    throw mistake{"a beat has no node"};
  if (auto* leaving = member(x, "leaving"))
    result.leaving = leaving->is_boolean() && leaving->get<bool>();
  if (auto* seen = member(x, "seen")) {
    if (!seen->is_object())
      throw mistake{"seen is not an object"};
    for (auto& [node, n] : seen->items())
      result.seen[node] = number_of(n, "a beat seen");
  }
  return result;
}

std::string write(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

std::string to_json(const invalidation_event& x) {
  json result{{"node", x.node}, {"seq", x.seq}, {"reason", x.reason}};
  if (x.keys.empty()) {
    for (auto& [text, what] : kinds)
      if (x.what.what == what)
        result["kind"] = text;
    put_text(result, "text", x.what.text);
    result["tenant"] = x.what.tenant;
    result["version"] = x.up_to;
    return write(result);
  }
  auto& keys = result["keys"] = json::array();
  for (auto& one : x.keys) {
    json key;
    put_text(key, "key", user_key(one.key));
    key["tenant"] = tenant_of(one.key);
    key["version"] = one.version;
    keys.push_back(std::move(key));
  }
  return write(result);
}

std::string to_json(const node_beat& x) {
  json result{{"node", x.node},
              {"beat", x.beat},
              {"seq", x.seq},
              {"lag_ms", x.lag_ms},
              {"seen", x.seen}};
  if (x.leaving)
    result["leaving"] = true;
  return write(result);
}

expected<backplane_message> parse_backplane_message(std::string_view text) {
  auto x = json::parse(text, nullptr, false);
  if (!x.is_object())
    return failure{errc::invalid_argument, "not a JSON object"};
  try {
    if (member(x, "beat"))
      return backplane_message{beat_of(x)};
    return backplane_message{event_of(x)};
  } catch (const mistake& why) {
    return failure{errc::invalid_argument, why.text};
  }
}

} // namespace terrace
