// When the RESP face stops to read from a client.

#define CAF_SUITE actors.resp_gateway_reading

#include "tests/support/gateway_fixture.hpp"
#include "tests/support/resp_client.hpp"

#include <string>
#include <string_view>

using namespace terrace;
using namespace terrace::test;

namespace {

using client = resp_client;

/// Reading stops while so much input waits for requests under way.
constexpr std::size_t most_waiting = 64 * 1024;

constexpr std::string_view ping = "*1\r\n$4\r\nPING\r\n";
constexpr std::string_view pong = "+PONG\r\n";

std::string times(std::size_t n, std::string_view x) {
  std::string result;
  while (n-- > 0)
    result += x;
  return result;
}

struct reading_fixture : gateway_fixture {
  /// Bytes of the first client's input that are read and wait.
  std::size_t input_of_first(client& other) {
    other.send("client list\r\n");
    auto list = other.bulk();
    CAF_REQUIRE(list.starts_with("id=1 "));
    return std::stoul(list.substr(list.find(" qbuf=") + 6));
  }

  void wait_for_input(client& other, std::size_t n) {
    while (input_of_first(other) < n) {
      // asks again until so much was read
    }
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(resp_gateway_reading_tests, reading_fixture)

CAF_TEST(a client may write everything before it reads) {
  // More than the buffers of both sockets take, in both directions.
  constexpr std::size_t size = 1 << 20;
  constexpr std::size_t many = 64;
  auto reply = "$1048576\r\n" + times(size, "x") + "\r\n";
  auto request = "*2\r\n$4\r\nECHO\r\n" + reply;
  client c{start()};
  for (std::size_t i = 0; i < many; ++i)
    c.send(request);
  for (std::size_t i = 0; i < many; ++i)
    CAF_REQUIRE(c.receive(reply.size()) == reply);
  c.check("ping\r\n", pong);
}

CAF_TEST(what a client may write before it reads is bounded) {
  constexpr std::size_t limit = 2 << 20;
  constexpr std::size_t largest_read = 64 * 1024;
  opts->resp.max_request_size = limit;
  remember("k", std::string(4 << 20, 'x'));
  auto port = start();
  client c{port};
  client other{port};
  c.send("get k\r\nget k\r\nget k\r\nget k\r\n");
  auto junk = times(1 << 20, "x");
  while (input_of_first(other) < limit)
    c.offer(junk);
  // More than the sockets' buffers take.
  for (int i = 0; i < 32; ++i) {
    c.offer(junk);
    CAF_REQUIRE_LESS(input_of_first(other), limit + largest_read);
  }
}

CAF_TEST(whoever still sends is not cut off) {
  remember("k", std::string(4 << 20, 'x'));
  auto stall = opts->resp.output_stall.count();
  auto port = start();
  client slow{port};
  client other{port};
  slow.send("get k\r\nget k\r\nget k\r\nget k\r\n");
  other.check("ping\r\n", pong);
  now += stall - 1;
  slow.send(times(most_waiting, "x"));
  wait_for_input(other, most_waiting);
  now += stall - 1;
  tick();
  CAF_CHECK_EQUAL(counter("output_limit_disconnects"), 0u);
  now += 2;
  tick();
  CAF_CHECK_EQUAL(counter("output_limit_disconnects"), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
