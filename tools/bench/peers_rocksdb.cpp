/// Built only where RocksDB is installed.
#include "tools/bench/contestants.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <rocksdb/cache.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace terrace::bench {

namespace {

/// What the caches hold a pointer to: a size, then that many bytes.
class value_holder {
public:
  static value_holder* make(std::string_view bytes) {
    auto* mem = std::malloc(sizeof(value_holder) + bytes.size());
    if (!mem)
      throw std::bad_alloc{};
    auto* result = new (mem) value_holder;
    result->size_ = bytes.size();
    std::memcpy(result + 1, bytes.data(), bytes.size());
    return result;
  }

  static void release(const rocksdb::Slice&, void* x) {
    std::free(x);
  }

  std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), size_};
  }

private:
  std::size_t size_ = 0;
};

/// What LRUCache takes: keys as they are.
struct whole_key {
  static constexpr bool insert_replaces = true;

  explicit whole_key(std::string_view x) : slice(x.data(), x.size()) {
    // nop
  }

  rocksdb::Slice slice;
};

/// What HyperClockCache takes: keys of 16 bytes. It drops what is inserted
/// under a key that it has.
struct short_key {
  static constexpr bool insert_replaces = false;

  explicit short_key(std::string_view x) : slice(x.data(), x.size()) {
    if (x.size() == sizeof(hash))
      return;
    hash = XXH3_128bits(x.data(), x.size());
    slice = {reinterpret_cast<const char*>(&hash), sizeof(hash)};
  }

  XXH128_hash_t hash;
  rocksdb::Slice slice;
};

template <class Key>
class rocksdb_cache {
public:
  explicit rocksdb_cache(std::shared_ptr<rocksdb::Cache> x)
    : cache_(std::move(x)) {
    // nop
  }

  void put(std::string_view key, std::string_view value) {
    Key x{key};
    if constexpr (!Key::insert_replaces)
      cache_->Erase(x.slice);
    insert(x, value);
  }

  void add(std::string_view key, std::string_view value) {
    insert(Key{key}, value);
  }

  template <class F>
  bool get(std::string_view key, F&& use) {
    Key x{key};
    auto* found = cache_->Lookup(x.slice);
    if (!found)
      return false;
    use(static_cast<const value_holder*>(cache_->Value(found))->view());
    cache_->Release(found);
    return true;
  }

private:
  void insert(const Key& x, std::string_view value) {
    auto status = cache_->Insert(x.slice, value_holder::make(value), 1,
                                 &value_holder::release);
    if (!status.ok())
      throw std::runtime_error("RocksDB: " + status.ToString());
  }

  std::shared_ptr<rocksdb::Cache> cache_;
};

} // namespace

contestant_ptr make_rocksdb_lru(const contestant_setup& x) {
  // It chooses its shards by bytes, which are entries here.
  rocksdb::LRUCacheOptions opts;
  opts.capacity = x.capacity;
  opts.num_shard_bits = 6;
  opts.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
  return std::make_unique<shared_contestant<rocksdb_cache<whole_key>>>(
    rocksdb::NewLRUCache(opts));
}

contestant_ptr make_hyper_clock(const contestant_setup& x) {
  rocksdb::HyperClockCacheOptions opts{x.capacity, 1};
  opts.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
  return std::make_unique<shared_contestant<rocksdb_cache<short_key>>>(
    opts.MakeSharedCache());
}

} // namespace terrace::bench
