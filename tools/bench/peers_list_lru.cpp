#include "tools/bench/contestants.hpp"

#include <array>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>

namespace terrace::bench {

namespace {

/// A key whose hash is known: it chooses the shard, then the map's bucket.
struct hashed_key {
  explicit hashed_key(std::string_view x)
    : key(x), hash(std::hash<std::string_view>{}(x)) {
    // nop
  }

  friend bool operator==(const hashed_key& x, const hashed_key& y) noexcept {
    return x.key == y.key;
  }

  std::string_view key;
  std::size_t hash;
};

struct known_hash {
  std::size_t operator()(const hashed_key& x) const noexcept {
    return x.hash;
  }
};

class list_lru {
public:
  void capacity(std::size_t x) {
    capacity_ = x;
  }

  void put(const hashed_key& key, std::string_view value) {
    std::lock_guard lock{mutex_};
    if (auto i = map_.find(key); i != map_.end()) {
      i->second->value = value;
      list_.splice(list_.begin(), list_, i->second);
      return;
    }
    list_.push_front({std::string{key.key}, std::string{value}});
    // The map's key is a view of the list's.
    auto stored = key;
    stored.key = list_.front().key;
    map_.emplace(stored, list_.begin());
    if (list_.size() > capacity_) {
      map_.erase(hashed_key{list_.back().key});
      list_.pop_back();
    }
  }

  template <class F>
  bool get(const hashed_key& key, F&& use) {
    std::lock_guard lock{mutex_};
    auto i = map_.find(key);
    if (i == map_.end())
      return false;
    list_.splice(list_.begin(), list_, i->second);
    use(std::string_view{i->second->value});
    return true;
  }

private:
  struct item {
    std::string key;
    std::string value;
  };

  std::mutex mutex_;
  std::size_t capacity_ = 0;
  std::list<item> list_;
  std::unordered_map<hashed_key, std::list<item>::iterator, known_hash> map_;
};

template <std::size_t Shards>
class sharded_lru {
public:
  explicit sharded_lru(std::size_t capacity) {
    for (auto& x : shards_)
      x.lru.capacity(capacity / Shards);
  }

  void put(std::string_view key, std::string_view value) {
    hashed_key x{key};
    shard_of(x).put(x, value);
  }

  template <class F>
  bool get(std::string_view key, F&& use) {
    hashed_key x{key};
    return shard_of(x).get(x, use);
  }

private:
  struct alignas(128) shard {
    list_lru lru;
  };

  list_lru& shard_of(const hashed_key& x) noexcept {
    return shards_[(x.hash >> 40) % Shards].lru;
  }

  std::array<shard, Shards> shards_;
};

} // namespace

contestant_ptr make_mutex_lru(const contestant_setup& x) {
  return std::make_unique<shared_contestant<sharded_lru<1>>>(x.capacity);
}

contestant_ptr make_sharded_lru(const contestant_setup& x) {
  return std::make_unique<shared_contestant<sharded_lru<64>>>(x.capacity);
}

} // namespace terrace::bench
