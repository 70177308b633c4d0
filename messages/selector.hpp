/// Which entries an invalidation means.
#pragma once

#include "messages/key.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// A set of entries: one key, all keys with a prefix, all that match a glob,
/// all that carry a tag, a whole tenant, or everything. `text` is the user's
/// key, prefix, pattern or tag; `tenant` limits all kinds but `all`.
struct selector {
  enum class kind : std::uint8_t { key, prefix, glob, tag, tenant, all };

  kind what = kind::all;
  tenant_id tenant = 0;
  std::string text;

  /// True if an entry under qualified key `key` with `tags` is meant.
  bool matches(std::string_view key,
               const std::vector<std::string>& tags) const noexcept;

  /// Bytes with which every qualified key that can match begins: empty for
  /// `all`, the whole key for `key`. Bounds a scan over ordered keys.
  std::string key_prefix() const;

  friend bool operator==(const selector&, const selector&) = default;
};

std::string_view to_string(selector::kind x) noexcept;

/// For example `glob "user:*" of tenant 0`, for logs.
std::string to_string(const selector& x);

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, selector& x) {
  return f(x.what, x.tenant, x.text);
}

} // namespace terrace
