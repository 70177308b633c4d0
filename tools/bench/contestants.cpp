#include "tools/bench/contestants.hpp"

namespace terrace::bench {

const std::vector<contestant_entry>& contestants() {
#ifdef TERRACE_HAS_ROCKSDB
  auto rocksdb_lru = &make_rocksdb_lru;
  auto hyper_clock = &make_hyper_clock;
#else
  decltype(&make_rocksdb_lru) rocksdb_lru = nullptr;
  decltype(&make_hyper_clock) hyper_clock = nullptr;
#endif
  static const std::vector<contestant_entry> result{
    {"handle", true, true, &make_handle},
    {"engine", true, false, &make_engine},
    {"hyper-clock", false, false, hyper_clock},
    {"rocksdb-lru", false, false, rocksdb_lru},
    {"mutex-lru", false, false, &make_mutex_lru},
    {"sharded-lru", false, false, &make_sharded_lru},
  };
  return result;
}

} // namespace terrace::bench
