#include "messages/selector.hpp"

#include "messages/glob.hpp"

#include <algorithm>

namespace terrace {

bool selector::matches(std::string_view key,
                       const std::vector<std::string>& tags) const noexcept {
  if (what == kind::all)
    return true;
  if (!is_qualified(key) || tenant_of(key) != tenant)
    return false;
  switch (what) {
    case kind::key:
      return user_key(key) == text;
    case kind::prefix:
      return user_key(key).starts_with(text);
    case kind::glob:
      return glob_match(text, user_key(key));
    case kind::tag:
      return std::find(tags.begin(), tags.end(), text) != tags.end();
    default:
      return true;
  }
}

std::string selector::key_prefix() const {
  switch (what) {
    case kind::key:
    case kind::prefix:
      return qualify(tenant, text);
    case kind::glob:
      return qualify(tenant, glob_literal_prefix(text));
    case kind::tag:
    case kind::tenant:
      return tenant_prefix(tenant);
    default:
      return {};
  }
}

std::string_view to_string(selector::kind x) noexcept {
  switch (x) {
    case selector::kind::key:
      return "key";
    case selector::kind::prefix:
      return "prefix";
    case selector::kind::glob:
      return "glob";
    case selector::kind::tag:
      return "tag";
    case selector::kind::tenant:
      return "tenant";
    default:
      return "all";
  }
}

std::string to_string(const selector& x) {
  std::string result{to_string(x.what)};
  if (x.what == selector::kind::all)
    return result;
  if (x.what != selector::kind::tenant)
    result.append(" \"").append(x.text).append("\" of tenant");
  return result.append(" ").append(std::to_string(x.tenant));
}

} // namespace terrace
