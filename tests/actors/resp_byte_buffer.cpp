// The run of bytes between sockets and the parser, beside a plain string.

#define CAF_SUITE actors.resp_byte_buffer

#include "actors/resp/byte_buffer.hpp"

#include <caf/test/unit_test.hpp>

#include <random>
#include <string>

using namespace terrace::resp;

CAF_TEST(it holds what was appended and not erased) {
  constexpr auto seed = 7u;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  byte_buffer x;
  std::string wanted;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      std::string bytes(random() % 3'000, static_cast<char>('a' + i % 26));
      x.append(bytes);
      wanted += bytes;
    } else {
      auto n = random() % (wanted.size() + 1);
      if (random() % 8 != 0)
        n = std::min<std::size_t>(n, 1'000);
      x.erase_front(n);
      wanted.erase(0, n);
    }
    CAF_REQUIRE_EQUAL(x.size(), wanted.size());
    CAF_REQUIRE_EQUAL(x.empty(), wanted.empty());
    CAF_REQUIRE(x.view() == wanted);
  }
}

CAF_TEST(what is left after a large block gets a small one) {
  byte_buffer x;
  x.append(std::string(8 << 20, 'x'));
  x.append("rest");
  x.erase_front(8 << 20);
  CAF_CHECK_EQUAL(x.view(), "rest");
  CAF_CHECK_LESS(x.capacity(), 1024u);
  x.append(std::string(8 << 20, 'x'));
  x.erase_front(x.size());
  CAF_CHECK_EQUAL(x.capacity(), 0u);
}

CAF_TEST(taking small steps does not move the rest each time) {
  byte_buffer x;
  x.append(std::string(1 << 20, 'x'));
  auto* block = x.data();
  // The rest moves when half of it is gone, and not before.
  for (int i = 1; i < 512; ++i) {
    x.erase_front(1024);
    CAF_REQUIRE(x.data() == block + i * 1024);
  }
  x.erase_front(1024);
  CAF_CHECK_EQUAL(x.size(), 512u * 1024);
  CAF_CHECK(x.data() == block);
}
