// Compiled for machines with AVX2; see checksum.hpp. Nothing else belongs here,
// and no other header: what is inline in one would be compiled for them too,
// and might be chosen by the linker for everybody.

#ifdef TERRACE_HAS_AVX2

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

namespace terrace {

std::uint64_t checksum_avx2(const char* a, std::size_t a_size, const char* b,
                            std::size_t b_size, const char* c,
                            std::size_t c_size) noexcept {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, a, a_size);
  XXH3_64bits_update(&state, b, b_size);
  XXH3_64bits_update(&state, c, c_size);
  return XXH3_64bits_digest(&state);
}

} // namespace terrace

#endif
