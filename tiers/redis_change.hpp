/// What redis_store has the script do with one key. For its own files.
#pragma once

#include "tiers/redis_store.hpp"

namespace terrace {

/// A write (`data` set) or a deletion.
struct redis_store::change {
  const std::string* key = nullptr;
  const record* data = nullptr;
  version_t version = 0;
  bool only_records = false;             ///< leave what is not a record alone
  const guarded_change* guard = nullptr; ///< null: there is no condition
  std::uint32_t place = 0;               ///< where the key is
  std::size_t index = 0;                 ///< where its outcome goes
};

} // namespace terrace
