/// The store that `terrace-bench disk-open` opens.
#pragma once

#include "tiers/lmdb_store.hpp"
#include "tools/bench/disk_open.hpp"

#include <memory>
#include <string>

namespace terrace::bench {

/// Opens it with room for everything. Errors: see `lmdb_store::open`.
expected<std::unique_ptr<lmdb_store>>
open_bench_store(const std::string& folder);

/// Key number `i`; keys are in the order of their numbers.
std::string open_bench_key(std::uint64_t i);

/// Its value, which every version has.
blob open_bench_value(std::uint64_t i, std::size_t size);

/// Writes keys 0 to `count` - 1, as versions from 1 on.
expected<void> fill_bench_store(lmdb_store& to, std::uint64_t count,
                                std::size_t value_size);

} // namespace terrace::bench
