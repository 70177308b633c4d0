/// The newest change of each key that waits for the disk, found by key.
///
/// A hash table in parts, so that growing moves a part at a time and nobody
/// waits for the whole. Not thread-safe.
#pragma once

#include "messages/record.hpp"

#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace terrace {

/// The newest change of a key. The key's bytes follow the object in memory.
struct lmdb_node {
  record data;  ///< of a removal: only the version
  blob encoded; ///< bytes of `data` on disk, if they were costly to make
  std::uint64_t hash = 0;
  std::uint64_t round = 0; ///< the active list has it, if it is the present one
  std::uint32_t key_size = 0;
  std::uint16_t refs = 0;    ///< lists that have it
  std::uint8_t journals = 0; ///< one bit per journal whose list has it
  bool removed = false;

  std::string_view key() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), key_size};
  }

  /// Memory that the node takes, about: with its place in table and lists, and
  /// the block that holds the value.
  std::uint64_t cost() const noexcept;
};

/// A key to look for.
struct lmdb_probe {
  explicit lmdb_probe(std::string_view x) noexcept;

  std::string_view key;
  std::uint64_t hash;
};

class lmdb_index {
public:
  lmdb_index() = default;

  lmdb_index(const lmdb_index&) = delete;

  lmdb_index& operator=(const lmdb_index&) = delete;

  ~lmdb_index();

  /// Tells the processor that `find` will come.
  void prefetch(const lmdb_probe& x) const noexcept {
    part(x.hash).prefetch(x);
  }

  /// The node of a key, or null.
  lmdb_node* find(const lmdb_probe& x) const noexcept {
    auto& in = part(x.hash);
    auto i = in.find(x);
    return i == in.end() ? nullptr : i->node;
  }

  /// Makes a node for a key that has none. It stays where it is until erased.
  lmdb_node& insert(const lmdb_probe& x);

  void erase(lmdb_node& x) noexcept;

  std::size_t size() const noexcept {
    return size_;
  }

  template <class F>
  void each(F&& f) const {
    for (auto& in : parts_)
      for (auto& x : in)
        f(static_cast<const lmdb_node&>(*x.node));
  }

  template <class F>
  void each(F&& f) {
    for (auto& in : parts_)
      for (auto& x : in)
        f(*x.node);
  }

private:
  /// The hash stands beside the pointer: moving a part touches no node.
  struct place {
    std::uint64_t hash;
    lmdb_node* node;
  };

  struct hasher {
    using is_transparent = void;

    std::size_t operator()(const place& x) const noexcept {
      return x.hash;
    }

    std::size_t operator()(const lmdb_probe& x) const noexcept {
      return x.hash;
    }
  };

  struct same {
    using is_transparent = void;

    bool operator()(const place& x, const place& y) const noexcept {
      return x.node == y.node;
    }

    bool operator()(const place& x, const lmdb_probe& y) const noexcept {
      return x.hash == y.hash && x.node->key() == y.key;
    }
  };

  using table = absl::flat_hash_set<place, hasher, same>;

  static constexpr unsigned part_bits = 6;

  const table& part(std::uint64_t hash) const noexcept {
    return parts_[hash >> (64 - part_bits)];
  }

  table& part(std::uint64_t hash) noexcept {
    return parts_[hash >> (64 - part_bits)];
  }

  std::array<table, 1u << part_bits> parts_;
  std::size_t size_ = 0;
};

} // namespace terrace
