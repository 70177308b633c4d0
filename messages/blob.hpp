/// Immutable, reference-counted bytes. Copying a blob copies a pointer, so that
/// a value travels between actors, tiers and sockets without its payload being
/// copied. Blobs are safe to share between threads; a single blob object is as
/// thread-compatible as a `shared_ptr`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace terrace {

/// Base of everything that can own a blob's bytes: a heap block made by
/// `blob::copy`, or an L1 node that stores a small value beside its key. Eight
/// bytes, of which three are free for what derives from it.
class block {
public:
  using release_fn = void (*)(block*) noexcept;

  /// Where the block's memory comes from.
  enum class origin : std::uint8_t { heap, node };

  explicit block(origin from) noexcept : origin_(from) {
    // nop
  }

  block(const block&) = delete;

  block& operator=(const block&) = delete;

  void ref() const noexcept {
    refs_.fetch_add(1, std::memory_order_relaxed);
  }

  /// Gives up one reference; the last one frees the block.
  void deref() const noexcept {
    if (drop())
      releases_[static_cast<std::size_t>(origin_)](const_cast<block*>(this));
  }

  /// Gives up one reference without freeing anything. True: it was the last.
  bool drop() const noexcept {
    return refs_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  std::uint32_t use_count() const noexcept {
    return refs_.load(std::memory_order_relaxed);
  }

  /// Says how nodes are freed, before the first one is made. The function may
  /// be called by any thread.
  static void on_release_node(release_fn f) noexcept {
    releases_[static_cast<std::size_t>(origin::node)] = f;
  }

private:
  static void release_heap(block* x) noexcept {
    x->~block();
    std::free(x);
  }

  static inline release_fn releases_[2] = {&release_heap, nullptr};

  mutable std::atomic<std::uint32_t> refs_{1};
  origin origin_;
};

class blob {
public:
  // -- constructors -----------------------------------------------------------

  /// The empty value.
  blob() noexcept = default;

  blob(const blob& x) noexcept : owner_(x.owner_), data_(x.data_) {
    if (owner_)
      owner_->ref();
  }

  blob(blob&& x) noexcept
    : owner_(std::exchange(x.owner_, nullptr)),
      data_(std::exchange(x.data_, {})) {
    // nop
  }

  blob& operator=(blob x) noexcept {
    std::swap(owner_, x.owner_);
    std::swap(data_, x.data_);
    return *this;
  }

  ~blob() {
    if (owner_)
      owner_->deref();
  }

  /// Copies `bytes` into a new block. Throws `std::bad_alloc`.
  static blob copy(std::string_view bytes) {
    return build(bytes.size(), [&](char* out) {
      if (!bytes.empty())
        std::memcpy(out, bytes.data(), bytes.size());
    });
  }

  /// Allocates `size` bytes and lets `fill(char*)` write all of them before
  /// the block becomes immutable. Throws `std::bad_alloc`.
  template <class Fill>
  static blob build(std::size_t size, Fill&& fill) {
    if (size == 0)
      return {};
    auto* mem = std::malloc(sizeof(block) + size);
    if (!mem)
      throw std::bad_alloc{};
    auto* owner = new (mem) block(block::origin::heap);
    auto* bytes = static_cast<char*>(mem) + sizeof(block);
    blob result{owner, {bytes, size}};
    std::forward<Fill>(fill)(bytes);
    return result;
  }

  /// Shares `bytes`, which live as long as `owner`. Takes a new reference.
  static blob share(const block& owner, std::string_view bytes) noexcept {
    owner.ref();
    return {const_cast<block*>(&owner), bytes};
  }

  // -- properties -------------------------------------------------------------

  std::string_view view() const noexcept {
    return data_;
  }

  std::size_t size() const noexcept {
    return data_.size();
  }

  bool empty() const noexcept {
    return data_.empty();
  }

  /// References to the owning block, zero for the empty value.
  std::uint32_t use_count() const noexcept {
    return owner_ ? owner_->use_count() : 0;
  }

  /// The block that owns the bytes, null for the empty value. Whoever keeps it
  /// takes a reference of its own.
  const block* owner() const noexcept {
    return owner_;
  }

  friend bool operator==(const blob& x, const blob& y) noexcept {
    return x.data_ == y.data_;
  }

private:
  blob(block* owner, std::string_view bytes) noexcept
    : owner_(owner), data_(bytes) {
    // nop
  }

  block* owner_ = nullptr;
  std::string_view data_;
};

} // namespace terrace
