/// Vectors whose memory goes back to the system when they let go of it.
///
/// The allocator of the C library keeps what large vectors free, because it
/// raises its threshold for mappings of their own with the first of them that
/// is freed. Vectors of some MiB that are replaced as the cache grows would
/// leave the process that much larger.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace terrace {

/// Stateless. From `large` bytes on, memory is a mapping of its own.
template <class T>
struct page_allocator {
  using value_type = T;

  static constexpr std::size_t large = 256u << 10;

  page_allocator() noexcept = default;

  template <class U>
  page_allocator(const page_allocator<U>&) noexcept {
    // nop
  }

  T* allocate(std::size_t n) {
    auto bytes = n * sizeof(T);
    if (bytes < large)
      return static_cast<T*>(::operator new(bytes, alignment));
    auto* x = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (x == MAP_FAILED)
      throw std::bad_alloc{};
    return static_cast<T*>(x);
  }

  void deallocate(T* x, std::size_t n) noexcept {
    auto bytes = n * sizeof(T);
    if (bytes < large)
      ::operator delete(x, alignment);
    else
      ::munmap(x, bytes);
  }

  friend bool operator==(const page_allocator&, const page_allocator&)
    = default;

private:
  static constexpr std::align_val_t alignment{alignof(T)};
};

template <class T>
using page_vector = std::vector<T, page_allocator<T>>;

} // namespace terrace
