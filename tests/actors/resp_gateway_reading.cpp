// When the RESP face stops to read from a client, and that it always begins
// again. CAF loses some of what it is told twice in one turn of its loop, so
// these tests hold that loop to choose what one turn brings.

#define CAF_SUITE actors.resp_gateway_reading

#include "tests/support/gateway_fixture.hpp"
#include "tests/support/resp_client.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

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

/// Keeps the I/O thread where it asks for the time.
struct gate {
  std::atomic<bool> armed{false};
  std::promise<void> reached;
  std::promise<void> opened;
};

/// One message a turn, so that a turn can be told from the next.
struct reading_fixture : gateway_fixture {
  std::shared_ptr<gate> io_gate = std::make_shared<gate>();

  reading_fixture() : gateway_fixture(1) {
    clock = [this, x = io_gate] {
      if (x->armed.exchange(false)) {
        x->reached.set_value();
        x->opened.get_future().wait();
      }
      return now.load();
    };
  }

  /// Calls `f` while the I/O thread reads from `other`; what `f` causes comes
  /// together in the turn after that. Once a test.
  template <class F>
  void in_one_turn(client& other, F f) {
    io_gate->armed = true;
    other.send(ping);
    io_gate->reached.get_future().wait();
    f();
    io_gate->opened.set_value();
    CAF_CHECK_EQUAL(other.receive(pong.size()), pong);
  }

  /// All answers held so far are in the gateway's mailbox afterwards.
  void release_and_wait() {
    release();
    caf::scoped_actor self{sys};
    self->request(coordinator, caf::infinite, status_atom_v)
      .receive([](actor_status&) {},
               [&](caf::error& why) { CAF_FAIL(sys.render(why)); });
  }

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

CAF_TEST(reading begins again when it was stopped in the same turn) {
  auto port = start();
  client c{port};
  c.check("ping\r\n", pong);
  client other{port};
  back->hold = true;
  constexpr std::size_t first = 4'600;
  constexpr std::size_t more = 600;
  static_assert(first * ping.size() < most_waiting);
  static_assert((first + more) * ping.size() > most_waiting);
  // The look-up waits for the change, and the others behind it.
  c.send("set k v\r\nget k\r\n" + times(first, ping));
  back->wait_for_held(1);
  wait_for_input(other, first * ping.size());
  in_one_turn(other, [&] {
    c.send(times(more, ping));
    release_and_wait();
  });
  c.check("", "+OK\r\n$1\r\nv\r\n");
  c.check("ping\r\n", times(first + more + 1, pong));
}

CAF_TEST(reading begins again when it was to begin and stop in one turn) {
  opts->resp.output_soft_limit = 1024;
  auto port = start();
  client c{port};
  c.check("ping\r\n", pong);
  client other{port};
  back->data[qualify(0, "b")] = {blob::copy(std::string(4096, 'x')), 1, 0, {}};
  back->hold = true;
  c.send("get a\r\n");
  back->wait_for_held(1);
  c.send("get b\r\n");
  back->wait_for_held(2);
  constexpr std::size_t many = 5'000;
  static_assert(many * ping.size() > most_waiting);
  c.send("set k v\r\nget k\r\n" + times(many, ping));
  back->wait_for_held(3);
  wait_for_input(other, most_waiting);
  in_one_turn(other, [&] {
    // The second answer makes the output full, which is no reason not to read;
    // the first lets it go, and the third look-up waits for the change again.
    std::unique_lock lock{back->mutex};
    std::swap(back->held[0], back->held[1]);
    lock.unlock();
    release_and_wait();
  });
  c.check("", "$-1\r\n");
  CAF_CHECK_EQUAL(c.bulk().size(), 4096u + 2);
  c.check("", "+OK\r\n$1\r\nv\r\n");
  c.check("ping\r\n", times(many + 1, pong));
}

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
