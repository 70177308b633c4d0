#include "config/option_check.hpp"

#include "config/quantity.hpp"
#include "config/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace terrace {

namespace {

using strings = std::vector<std::string>;
using string_map = std::map<std::string, std::string>;
using names = std::span<const std::string_view>;

bool contains(names xs, std::string_view x) {
  return std::find(xs.begin(), xs.end(), x) != xs.end();
}

bool accepts_text(const option_info& info, const std::string& x) {
  if (!info.choices.empty())
    return contains(info.choices, x);
  return std::in_range<std::int64_t>(x.size())
         && static_cast<std::int64_t>(x.size()) >= info.min
         && static_cast<std::int64_t>(x.size()) <= info.max && is_printable(x);
}

bool accepts_list(const option_info& info, const strings& xs) {
  for (auto i = xs.begin(); i != xs.end(); ++i)
    if (!contains(info.choices, *i) || std::find(xs.begin(), i, *i) != i)
      return false;
  return !xs.empty();
}

bool accepts_map(const option_info& info, const string_map& xs) {
  return std::all_of(xs.begin(), xs.end(), [&](auto& x) {
    return contains(info.keys, x.first) && contains(info.choices, x.second);
  });
}

bool accepts_type(const option_info& info, const option_data& x) {
  switch (info.kind) {
    case option_kind::boolean:
      return std::holds_alternative<bool>(x);
    case option_kind::integer:
    case option_kind::size:
    case option_kind::duration:
      if (auto n = std::get_if<std::int64_t>(&x))
        return *n >= info.min && *n <= info.max;
      return false;
    case option_kind::text:
      if (auto str = std::get_if<std::string>(&x))
        return accepts_text(info, *str);
      return false;
    case option_kind::list:
      if (auto xs = std::get_if<strings>(&x))
        return accepts_list(info, *xs);
      return false;
    case option_kind::map:
      if (auto xs = std::get_if<string_map>(&x))
        return accepts_map(info, *xs);
      return false;
  }
  return false;
}

// `"memory", "redis", "disk"`
std::string enumerate(names xs) {
  std::string result;
  for (auto& x : xs) {
    result += result.empty() ? "" : ", ";
    result += quote(x);
  }
  return result;
}

std::string text_expectation(const option_info& info) {
  auto max = std::to_string(info.max);
  if (info.min == 0)
    return "printable text of at most " + max + " bytes";
  return "printable text of " + std::to_string(info.min) + " to " + max
         + " bytes";
}

std::string number_to_text(option_kind kind, std::int64_t x) {
  if (kind == option_kind::size && x >= 0)
    return format_size(static_cast<std::uint64_t>(x));
  if (kind == option_kind::duration)
    return format_duration(milliseconds{x});
  return std::to_string(x);
}

std::string_view trim(std::string_view x) {
  auto first = x.find_first_not_of(' ');
  if (first == x.npos)
    return {};
  return x.substr(first, x.find_last_not_of(' ') - first + 1);
}

// The parts between commas; no part if `text` is blank.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> result;
  if (trim(text).empty())
    return result;
  for (;;) {
    auto comma = text.find(',');
    result.push_back(trim(text.substr(0, comma)));
    if (comma == text.npos)
      return result;
    text.remove_prefix(comma + 1);
  }
}

std::optional<option_data> read_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 4> yes{"true", "1", "yes", "on"};
  constexpr std::array<std::string_view, 4> no{"false", "0", "no", "off"};
  std::string lower{text};
  for (auto& c : lower)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  if (contains(yes, lower))
    return true;
  if (contains(no, lower))
    return false;
  return std::nullopt;
}

std::optional<option_data> read_map(std::string_view text) {
  string_map result;
  for (auto part : split(text)) {
    auto equals = part.find('=');
    if (equals == part.npos)
      return std::nullopt;
    auto [pos, added] = result.emplace(trim(part.substr(0, equals)),
                                       trim(part.substr(equals + 1)));
    if (!added)
      return std::nullopt;
  }
  return result;
}

} // namespace

bool accepts(const option_info& info, const option_data& x) {
  return accepts_type(info, x) && (!info.condition || info.condition(x));
}

std::string expectation(const option_info& info) {
  if (!info.expects.empty())
    return std::string{info.expects};
  auto range = [&](const char* quotes) {
    return quotes + number_to_text(info.kind, info.min) + quotes + " to "
           + quotes + number_to_text(info.kind, info.max) + quotes;
  };
  switch (info.kind) {
    case option_kind::boolean:
      return "true or false";
    case option_kind::integer:
      return "an integer from " + range("");
    case option_kind::size:
      return "a size from " + range("\"");
    case option_kind::duration:
      return "a duration from " + range("\"");
    case option_kind::text:
      return info.choices.empty() ? text_expectation(info)
                                  : "one of " + enumerate(info.choices);
    case option_kind::list:
      return "a list of one or more different names out of "
             + enumerate(info.choices);
    case option_kind::map:
      return "a table with keys out of " + enumerate(info.keys)
             + " and values out of " + enumerate(info.choices);
  }
  return {};
}

std::string to_toml(const option_info& info, const option_data& x,
                    secrets how) {
  std::string result;
  if (auto xs = std::get_if<strings>(&x)) {
    for (auto& str : *xs)
      result += (result.empty() ? "" : ", ") + quote(str);
    return "[" + result + "]";
  }
  if (auto xs = std::get_if<string_map>(&x)) {
    for (auto& [key, value] : *xs)
      result += (result.empty() ? "" : ", ") + quote(key) + " = "
                + quote(value);
    return result.empty() ? "{}" : "{ " + result + " }";
  }
  result = to_text(info, x, how);
  auto bare = info.kind == option_kind::boolean
              || info.kind == option_kind::integer;
  return bare ? result : quote(result);
}

std::string to_text(const option_info& info, const option_data& x,
                    secrets how) {
  if (auto flag = std::get_if<bool>(&x))
    return *flag ? "true" : "false";
  if (auto n = std::get_if<std::int64_t>(&x))
    return number_to_text(info.kind, *n);
  if (auto str = std::get_if<std::string>(&x))
    return info.mask && how == secrets::hide ? info.mask(*str) : *str;
  std::string result;
  if (auto xs = std::get_if<strings>(&x)) {
    for (auto& str : *xs)
      result += (result.empty() ? "" : ",") + str;
    return result;
  }
  for (auto& [key, value] : std::get<string_map>(x))
    result += (result.empty() ? "" : ",") + key + "=" + value;
  return result;
}

std::optional<option_data> from_text(const option_info& info,
                                     std::string_view text) {
  switch (info.kind) {
    case option_kind::boolean:
      return read_boolean(text);
    case option_kind::integer:
      if (auto n = parse_count(text))
        return *n;
      return std::nullopt;
    case option_kind::size:
      if (auto n = parse_size(text); n && std::in_range<std::int64_t>(*n))
        return static_cast<std::int64_t>(*n);
      return std::nullopt;
    case option_kind::duration:
      if (auto x = parse_duration(text))
        return static_cast<std::int64_t>(x->count());
      return std::nullopt;
    case option_kind::text:
      return std::string{text};
    case option_kind::list: {
      auto parts = split(text);
      return strings(parts.begin(), parts.end());
    }
    case option_kind::map:
      return read_map(text);
  }
  return std::nullopt;
}

std::string suggestion(std::string_view name) {
  // Longer differences are another word, not a typing error.
  std::size_t best = 3;
  std::string_view found;
  for (auto& info : option_table()) {
    // Both bounds keep a hostile name from costing time.
    if (name.size() > info.name.size() + 2)
      continue;
    if (auto d = edit_distance(name, info.name); d < best) {
      best = d;
      found = info.name;
    }
  }
  return found.empty() ? "" : "; did you mean " + quote(found) + "?";
}

} // namespace terrace
