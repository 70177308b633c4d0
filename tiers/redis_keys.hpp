/// Names of entries in Redis: {prefix}{tenant}:{user's key}, where the tenant
/// is written in decimal. Several programs may share one server; a name that
/// does not have this form is not ours and is left alone.
#pragma once

#include "messages/selector.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace {

/// What follows the prefix in names of ours that are no entries; a lease has
/// the rest of the entry's name behind it.
inline constexpr std::string_view redis_lease_name = "lease:";
inline constexpr std::string_view redis_log_name = "log";
inline constexpr std::string_view redis_fences_name = "fences";
inline constexpr std::string_view redis_dictionary_name = "dict:";

class redis_keys {
public:
  explicit redis_keys(std::string prefix);

  /// Name of a qualified key. The result is valid until the next call.
  const std::string& name_of(std::string_view key);

  /// Undoes `name_of`. False if `name` is not ours.
  bool key_of(std::string_view name, std::string& key) const;

  /// Name of the lease of a qualified key.
  std::string lease_name(std::string_view key) {
    return own_name(redis_lease_name) + name_of(key).substr(prefix_.size());
  }

  /// Name of the dictionary with this number.
  std::string dictionary_name(std::uint32_t id) const {
    return own_name(redis_dictionary_name) + std::to_string(id);
  }

  /// Name of something of ours that is no entry.
  std::string own_name(std::string_view what) const {
    return prefix_ + std::string{what};
  }

  /// A pattern for SCAN that fits the names of all entries that `what` can
  /// mean; it may fit others as well, so what comes back must be checked.
  std::string pattern(const selector& what) const;

private:
  std::string prefix_;
  std::string name_; /// Reused by `name_of`.
};

} // namespace terrace
