// sources: tiers/hot_keys.cpp tiers/key_hash.cpp messages/errc.cpp

// A file of hot keys that anything may have happened to: it is refused, or what
// it gives can be written and read again. Checksums keep most inputs out, so
// the first byte may ask for them to be right.

#include "tiers/hot_keys.hpp"

#include "tiers/key_hash.hpp"

#include <cstdlib>
#include <cstring>

using namespace terrace;

namespace {

void put(std::string& file, std::size_t at, std::uint64_t x) {
  std::memcpy(file.data() + at, &x, sizeof(x));
}

/// Makes the checksums of the header and of the blocks right.
void repair(std::string& file) {
  if (file.size() < 32)
    return;
  std::memcpy(file.data(), "TERRAHOT\1\0\0\0\0\0\0\0", 16);
  put(file, 24, key_hash(std::string_view{file}.substr(0, 24), 0));
  std::uint64_t number = 0;
  for (std::size_t at = 32; at + 16 <= file.size(); ++number) {
    std::uint32_t size = 0, count = 0;
    std::memcpy(&size, file.data() + at, 4);
    std::memcpy(&count, file.data() + at + 4, 4);
    size %= 512; // or nearly every block would reach beyond the end
    std::memcpy(file.data() + at, &size, 4);
    if (size > file.size() - at - 16)
      return;
    put(file, at + 8,
        key_hash(std::string_view{file}.substr(at + 16, size),
                 number << 32 | count));
    at += 16 + size;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0)
    return 0;
  std::string file{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (data[0] % 4 != 0)
    repair(file);
  auto x = parse_hot_keys(file);
  if (!x) {
    if (x.error().detail.empty())
      std::abort();
    return 0;
  }
  if (x->damage && x->damage.detail.empty())
    std::abort();
  auto again = parse_hot_keys(encode_hot_keys(x->found, x->taken_ms));
  if (!again || again->damage || again->found != x->found
      || again->taken_ms != x->taken_ms)
    std::abort();
  return 0;
}
