// sources: tiers/codec.cpp tiers/codec_dictionaries.cpp tiers/codec_zstd.cpp
// sources: tiers/dictionary.cpp tiers/dictionary_family.cpp
// sources: tiers/dictionary_set.cpp tiers/dictionary_traffic.cpp
// sources: tiers/checksum.cpp messages/errc.cpp

// What may lie in Redis or on disk instead of a record or a dictionary. The
// first byte says which of three it is taken for: a record as it is; the part
// of a record that a checksum guards, with a good checksum, so that what is
// behind is reached too; a dictionary, with a good checksum likewise, which is
// used if it is taken.

#include "tiers/codec.hpp"

// Makes the hash state a complete type.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace terrace;

namespace {

constexpr std::string_view key{"\0\0user:1", 8};

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
  }
}

std::string sample(unsigned i) {
  return R"({"id":)" + std::to_string(i * 2654435761u)
         + R"(,"name":"somebody","mail":"me)" + std::to_string(i * 40503u)
         + R"(@example.org","active":true,"tags":["one","two"]})";
}

/// A codec that writes with a dictionary.
struct setting {
  compression_options opts;
  dictionary_set_ptr set = std::make_shared<dictionary_set>(opts);
  codec uut{opts, set};
  dictionary_ptr dict;

  setting() {
    dictionary_samples from;
    for (unsigned i = 0; i < 300; ++i) {
      auto x = sample(i);
      from.bytes += x;
      from.sizes.push_back(x.size());
    }
    auto made = dictionary::train(from, "0:user:*", 2048, 3);
    require(static_cast<bool>(made), "no dictionary");
    dict = *made;
    require(static_cast<bool>(set->add(dict->stored())), "not taken");
    uut.adopt(dict);
  }
};

void write_again(codec& by, const record& x) {
  std::string bytes;
  require(static_cast<bool>(by.encode(key, x, bytes)), "cannot be written");
  auto back = by.decode(key, bytes);
  require(back && *back == x, "does not come back");
}

void read_record(setting& x, std::string_view bytes) {
  codec::dictionary_of(bytes);
  codec::peek_tags(bytes);
  auto data = x.uut.decode(key, bytes);
  if (data)
    write_again(x.uut, *data);
  else
    require(data.error().code == errc::corrupt
              || data.error().code == errc::unsupported_format,
            "another error");
}

void sign_record(std::string& bytes, std::uint32_t dictionary) {
  if (bytes.size() < 36)
    return;
  bytes[0] = 0x54;
  bytes[1] = 1;
  // A size that fits into memory.
  bytes[6] = bytes[7] = 0;
  std::memcpy(bytes.data() + 32, &dictionary, sizeof(dictionary));
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, key.data(), key.size());
  XXH3_64bits_update(&state, bytes.data(), 24);
  XXH3_64bits_update(&state, bytes.data() + 32, bytes.size() - 32);
  auto sum = XXH3_64bits_digest(&state);
  std::memcpy(bytes.data() + 24, &sum, sizeof(sum));
}

void sign_dictionary(std::string& bytes) {
  constexpr std::uint32_t magic = 0xec30a437;
  if (bytes.size() < 20)
    return;
  bytes[0] = 0x44;
  bytes[1] = 1;
  bytes[2] = bytes[3] = 0; // no family
  std::memcpy(bytes.data() + 12, &magic, sizeof(magic));
  auto hash = XXH3_64bits(bytes.data() + 20, bytes.size() - 20);
  auto id = 32768 + static_cast<std::uint32_t>(hash % (0x7fffffffu - 32767));
  std::memcpy(bytes.data() + 16, &id, sizeof(id));
  auto sum = XXH3_64bits(bytes.data() + 12, bytes.size() - 12);
  std::memcpy(bytes.data() + 4, &sum, sizeof(sum));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static setting x;
  if (size == 0)
    return 0;
  std::string bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 3) {
    case 0:
      read_record(x, bytes);
      break;
    case 1:
      sign_record(bytes, x.dict->id());
      read_record(x, bytes);
      break;
    default: {
      sign_dictionary(bytes);
      codec other{x.opts, std::make_shared<dictionary_set>(x.opts)};
      auto made = other.add_dictionary(bytes);
      if (!made)
        break;
      other.adopt(*made);
      write_again(other, {blob::copy(sample(7) + bytes), 1, 0, {"tag"}});
    }
  }
  return 0;
}
