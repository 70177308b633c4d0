#include "tiers/redis_keys.hpp"

#include <algorithm>
#include <charconv>

namespace terrace {

namespace {

/// Stars that are passed on to the server. Matching in Redis before 7.0.9 takes
/// time exponential in their number (CVE-2022-36021), and a pattern may come
/// from a client; ours is linear, so more complex patterns are matched here.
constexpr std::ptrdiff_t max_stars = 2;

/// Appends `text` so that a glob pattern means exactly these bytes.
void append_escaped(std::string& out, std::string_view text) {
  for (auto c : text) {
    if (std::string_view{"*?[]\\^"}.find(c) != std::string_view::npos)
      out += '\\';
    out += c;
  }
}

} // namespace

redis_keys::redis_keys(std::string prefix) : prefix_(std::move(prefix)) {
  // nop
}

const std::string& redis_keys::name_of(std::string_view key) {
  char digits[8];
  auto end = std::to_chars(digits, digits + sizeof(digits), tenant_of(key)).ptr;
  name_.assign(prefix_);
  name_.append(digits, end);
  name_ += ':';
  name_.append(user_key(key));
  return name_;
}

bool redis_keys::key_of(std::string_view name, std::string& key) const {
  if (!name.starts_with(prefix_))
    return false;
  name.remove_prefix(prefix_.size());
  tenant_id tenant = 0;
  auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(),
                                   tenant);
  auto digits = static_cast<std::size_t>(end - name.data());
  // "007" is not how a tenant is written: two names must not mean one key.
  if (ec != std::errc{} || digits == name.size() || name[digits] != ':'
      || (name[0] == '0' && digits > 1))
    return false;
  key = qualify(tenant, name.substr(digits + 1));
  return true;
}

std::string redis_keys::pattern(const selector& what) const {
  std::string result;
  append_escaped(result, prefix_);
  if (what.what == selector::kind::all)
    return result += '*';
  result.append(std::to_string(what.tenant)).append(":");
  auto& text = what.text;
  switch (what.what) {
    case selector::kind::key:
      append_escaped(result, text);
      return result;
    case selector::kind::prefix:
      append_escaped(result, text);
      break;
    case selector::kind::glob:
      if (std::count(text.begin(), text.end(), '*') <= max_stars)
        return result += text;
      // The literal part holds no special character: it needs no escape.
      result += what.key_prefix().substr(tenant_prefix_size);
      break;
    default:
      break;
  }
  return result += '*';
}

} // namespace terrace
