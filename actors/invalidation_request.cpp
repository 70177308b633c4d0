#include "actors/invalidation_request.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace terrace {

namespace {

using nlohmann::json;

constexpr std::pair<const char*, selector::kind> texts[] = {
  {"key", selector::kind::key},
  {"prefix", selector::kind::prefix},
  {"pattern", selector::kind::glob},
  {"tag", selector::kind::tag},
};

constexpr auto usage
  = "expected one of \"key\", \"prefix\", \"pattern\", \"tag\", \"tenant\", "
    "\"all\"";

failure invalid(std::string why) {
  return {errc::invalid_argument, std::move(why)};
}

std::string in_quotes(std::string_view x) {
  return json(std::string{x.substr(0, 64)})
    .dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Reads members one by one; remembers which of them say what to remove.
class reader {
public:
  explicit reader(std::uint32_t tenants) : tenants_(tenants) {
    // nop
  }

  failure member(const std::string& name, const json& value) {
    for (auto& [text, kind] : texts)
      if (name == text)
        return selects(kind, name, value);
    if (name == "all")
      return all(value);
    if (name == "tenant")
      return tenant(value);
    if (name == "reason")
      return reason(value);
    return invalid("unknown member " + in_quotes(name) + "; " + usage
                   + ", and \"reason\"");
  }

  expected<invalidation_request> finish() {
    if (has_tenant_ && result_.what.what == selector::kind::all && chosen_)
      return invalid(
        "\"all\" means every tenant, so \"tenant\" contradicts it");
    if (!chosen_ && !has_tenant_)
      return invalid(usage);
    if (!chosen_)
      result_.what.what = selector::kind::tenant;
    if (result_.reason.empty())
      result_.reason = "asked for over HTTP";
    return std::move(result_);
  }

private:
  failure choose(selector::kind what) {
    if (std::exchange(chosen_, true))
      return invalid(std::string{usage} + ", got more than one");
    result_.what.what = what;
    return {};
  }

  failure selects(selector::kind what, const std::string& name,
                  const json& value) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      return invalid('"' + name + "\" must be a text that is not empty");
    result_.what.text = value.get<std::string>();
    return choose(what);
  }

  failure all(const json& value) {
    if (value != true)
      return invalid("\"all\" must be true");
    return choose(selector::kind::all);
  }

  failure tenant(const json& value) {
    has_tenant_ = true;
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= tenants_)
      return invalid("\"tenant\" must be an integer from 0 to "
                     + std::to_string(tenants_ - 1));
    result_.what.tenant = value.get<tenant_id>();
    return {};
  }

  failure reason(const json& value) {
    if (!value.is_string())
      return invalid("\"reason\" must be a text");
    result_.reason = value.get<std::string>();
    return {};
  }

  std::uint32_t tenants_;
  bool chosen_ = false;
  bool has_tenant_ = false;
  invalidation_request result_;
};

} // namespace

expected<invalidation_request> parse_invalidation(std::string_view body,
                                                  std::uint32_t tenants) {
  auto x = json::parse(body, nullptr, false);
  if (x.is_discarded())
    return invalid("the body is not valid JSON");
  if (!x.is_object())
    return invalid("the body must be a JSON object");
  reader in{tenants};
  for (auto& [name, value] : x.items())
    if (auto why = in.member(name, value))
      return why;
  return in.finish();
}

std::string to_json(const invalidation_request& x) {
  json result = json::object();
  for (auto& [text, kind] : texts)
    if (x.what.what == kind)
      result[text] = x.what.text;
  if (x.what.what == selector::kind::all)
    result["all"] = true;
  else
    result["tenant"] = x.what.tenant;
  if (!x.reason.empty())
    result["reason"] = x.reason;
  return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace terrace
