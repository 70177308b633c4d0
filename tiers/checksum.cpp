#include "tiers/checksum.hpp"

// Makes the hash state a complete type, so that it can live on the stack.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <cstddef>

namespace terrace {

#ifdef TERRACE_HAS_AVX2
/// checksum_avx2.cpp
std::uint64_t checksum_avx2(const char* a, std::size_t a_size, const char* b,
                            std::size_t b_size, const char* c,
                            std::size_t c_size) noexcept;

namespace {

const bool has_avx2 = __builtin_cpu_supports("avx2");

} // namespace
#endif

std::uint64_t checksum(std::string_view a, std::string_view b,
                       std::string_view c) noexcept {
#ifdef TERRACE_HAS_AVX2
  if (has_avx2)
    return checksum_avx2(a.data(), a.size(), b.data(), b.size(), c.data(),
                         c.size());
#endif
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (auto x : {a, b, c})
    XXH3_64bits_update(&state, x.data(), x.size());
  return XXH3_64bits_digest(&state);
}

} // namespace terrace
