// The bytes of replies in both protocols, and the queue that holds them.

#define CAF_SUITE actors.resp_reply

#include "actors/resp/reply.hpp"
#include "actors/resp/slot.hpp"

#include <caf/test/unit_test.hpp>

#include <functional>
#include <limits>
#include <random>

using namespace terrace;
using namespace terrace::resp;

namespace {

/// Everything in `x`, taken in steps of at most `step` bytes.
std::string drain(output& x, std::size_t step = 1 << 20) {
  std::string result;
  iovec pieces[4];
  while (auto n = x.pieces(pieces, 4)) {
    auto left = step;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < n && left > 0; ++i) {
      auto size = std::min(left, pieces[i].iov_len);
      result.append(static_cast<const char*>(pieces[i].iov_base), size);
      left -= size;
      taken += size;
    }
    x.take(taken);
  }
  return result;
}

using write_fn = std::function<void(reply_writer)>;

std::string resp2(const write_fn& f) {
  output x;
  f({x, false});
  return drain(x);
}

std::string resp3(const write_fn& f) {
  output x;
  f({x, true});
  return drain(x);
}

} // namespace

CAF_TEST(simple types) {
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.ok(); }), "+OK\r\n");
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.simple("PONG"); }), "+PONG\r\n");
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.integer(-42); }), ":-42\r\n");
  auto least = std::numeric_limits<std::int64_t>::min();
  CAF_CHECK_EQUAL(resp2([=](reply_writer x) { x.integer(least); }),
                  ":-9223372036854775808\r\n");
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.bulk(""); }), "$0\r\n\r\n");
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.bulk("a\r\nb"); }),
                  "$4\r\na\r\nb\r\n");
}

CAF_TEST(errors stay on one line) {
  CAF_CHECK_EQUAL(resp2([](reply_writer x) { x.error("ERR a\r\nb"); }),
                  "-ERR a  b\r\n");
}

CAF_TEST(the types of RESP3 have a form in RESP2) {
  struct row {
    write_fn write;
    std::string two;
    std::string three;
  };
  auto infinite = std::numeric_limits<double>::infinity();
  row rows[] = {
    {[](reply_writer x) { x.null(); }, "$-1\r\n", "_\r\n"},
    {[](reply_writer x) { x.null_array(); }, "*-1\r\n", "_\r\n"},
    {[](reply_writer x) { x.boolean(true); }, ":1\r\n", "#t\r\n"},
    {[](reply_writer x) { x.boolean(false); }, ":0\r\n", "#f\r\n"},
    {[](reply_writer x) { x.real(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
    {[=](reply_writer x) { x.real(-infinite); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
    {[](reply_writer x) { x.array(2); }, "*2\r\n", "*2\r\n"},
    {[](reply_writer x) { x.set(2); }, "*2\r\n", "~2\r\n"},
    {[](reply_writer x) { x.map(2); }, "*4\r\n", "%2\r\n"},
    {[](reply_writer x) { x.verbatim("ab"); }, "$2\r\nab\r\n",
     "=6\r\ntxt:ab\r\n"},
  };
  for (auto& x : rows) {
    CAF_CHECK_EQUAL(resp2(x.write), x.two);
    CAF_CHECK_EQUAL(resp3(x.write), x.three);
  }
}

CAF_TEST(large values are shared and small ones are copied) {
  auto large = blob::copy(std::string(output::share_limit, 'x'));
  auto small = blob::copy("small");
  output out;
  reply_writer writer{out, false};
  writer.bulk(large);
  writer.bulk(small);
  CAF_CHECK_EQUAL(large.use_count(), 2u);
  CAF_CHECK_EQUAL(small.use_count(), 1u);
  auto expected = "$16384\r\n" + std::string{large.view()}
                  + "\r\n$5\r\nsmall\r\n";
  CAF_CHECK_EQUAL(out.size(), expected.size());
  CAF_CHECK(drain(out) == expected);
  CAF_CHECK_EQUAL(large.use_count(), 1u);
  CAF_CHECK_EQUAL(out.size(), 0u);
}

CAF_TEST(a queue gives back what it was given in any steps) {
  // Seed 11.
  std::mt19937 random{11};
  for (int round = 0; round < 200; ++round) {
    output first, second;
    std::string expected, tail;
    auto fill = [&](output& out, std::string& copy) {
      for (auto n = random() % 6; n > 0; --n) {
        std::string bytes(random() % 40000, static_cast<char>('a' + n));
        if (random() % 2 == 0)
          out.share(blob::copy(bytes));
        else
          out.text().append(bytes);
        copy += bytes;
      }
    };
    fill(first, expected);
    fill(second, tail);
    std::string taken;
    if (!first.empty()) {
      // Begin in the middle of something.
      iovec piece;
      first.pieces(&piece, 1);
      auto n = piece.iov_len / 2;
      taken.assign(static_cast<const char*>(piece.iov_base), n);
      first.take(n);
    }
    first.append(std::move(second));
    CAF_CHECK(second.empty());
    taken += drain(first, random() % 50000 + 1);
    CAF_CHECK(taken == expected + tail);
    CAF_CHECK(first.empty());
  }
}

CAF_TEST(what was sent long ago is forgotten) {
  output out;
  std::string bytes(1000, 'x');
  for (int i = 0; i < 10000; ++i) {
    out.text().append(bytes);
    if (i > 0)
      out.take(bytes.size());
  }
  CAF_CHECK_EQUAL(out.size(), bytes.size());
  CAF_CHECK_LESS(out.capacity(), 1u << 20);
}

// -- replies to come ----------------------------------------------------------

namespace {

std::string render(slot& x, bool three = false) {
  output out;
  x.render(out, three);
  return drain(out);
}

lookup hit(std::string_view value, std::int64_t expires_ms = 0) {
  return lookup::found({blob::copy(value), 1, expires_ms, {}}, tier_kind::disk);
}

} // namespace

CAF_TEST(read results become what the command wants) {
  constexpr std::int64_t now = 1'000'000;
  struct row {
    shape what;
    std::string absent;
    std::string present; ///< five bytes that expire in 1,600 ms
    std::string forever;
  };
  row rows[] = {
    {shape::value, "$-1\r\n", "$5\r\nhello\r\n", "$5\r\nhello\r\n"},
    {shape::exists, ":0\r\n", ":1\r\n", ":1\r\n"},
    {shape::size, ":0\r\n", ":5\r\n", ":5\r\n"},
    {shape::type, "+none\r\n", "+string\r\n", "+string\r\n"},
    {shape::ttl_s, ":-2\r\n", ":2\r\n", ":-1\r\n"},
    {shape::ttl_ms, ":-2\r\n", ":1600\r\n", ":-1\r\n"},
    {shape::deadline_s, ":-2\r\n", ":1002\r\n", ":-1\r\n"},
    {shape::deadline_ms, ":-2\r\n", ":1001600\r\n", ":-1\r\n"},
  };
  for (auto& x : rows) {
    auto answer = [&](lookup found) {
      slot uut{x.what, 1, false};
      CAF_CHECK(!uut.ready());
      uut.put(0, found, now);
      CAF_CHECK(uut.ready());
      return render(uut);
    };
    CAF_CHECK_EQUAL(answer(lookup::missed()), x.absent);
    CAF_CHECK_EQUAL(answer(hit("hello", now + 1600)), x.present);
    CAF_CHECK_EQUAL(answer(hit("hello")), x.forever);
    // A tier that could not be asked is a miss to the client.
    CAF_CHECK_EQUAL(answer(lookup::failed(errc::timeout)), x.absent);
    CAF_CHECK_EQUAL(answer(lookup::failed(errc::overloaded)),
                    "-ERR A limit on queued work is reached; try again "
                    "later.\r\n");
  }
}

CAF_TEST(changes become what the command wants) {
  auto answer = [](shape what, mutation_result result) {
    slot uut{what, 1, false};
    uut.put(result);
    return render(uut);
  };
  mutation_result applied;
  applied.applied = applied.had_old = true;
  applied.old.value = blob::copy("old");
  mutation_result refused;
  mutation_result failed;
  failed.code = errc::no_space;
  CAF_CHECK_EQUAL(answer(shape::ok, applied), "+OK\r\n");
  CAF_CHECK_EQUAL(answer(shape::ok_or_null, applied), "+OK\r\n");
  CAF_CHECK_EQUAL(answer(shape::ok_or_null, refused), "$-1\r\n");
  CAF_CHECK_EQUAL(answer(shape::old_value, applied), "$3\r\nold\r\n");
  CAF_CHECK_EQUAL(answer(shape::old_value, refused), "$-1\r\n");
  CAF_CHECK_EQUAL(answer(shape::applied, applied), ":1\r\n");
  CAF_CHECK_EQUAL(answer(shape::applied, refused), ":0\r\n");
  CAF_CHECK_EQUAL(answer(shape::ok, failed),
                  "-ERR The device or memory that holds the tier is "
                  "full.\r\n");
}

CAF_TEST(several results make one reply in the order of the keys) {
  slot uut{shape::values, 3, false};
  auto last = hit("c");
  uut.put(2, last, 0);
  uut.put(0, blob::copy("a"));
  auto miss = lookup::missed();
  uut.put(1, miss, 0);
  CAF_CHECK(uut.ready());
  CAF_CHECK_EQUAL(uut.bytes(), 2u);
  CAF_CHECK_EQUAL(render(uut, true), "*3\r\n$1\r\na\r\n_\r\n$1\r\nc\r\n");
}

CAF_TEST(one refused read makes the reply an error) {
  slot uut{shape::values, 2, false};
  auto x = hit("a");
  uut.put(0, x, 0);
  auto failed = lookup::failed(errc::shutting_down);
  uut.put(1, failed, 0);
  CAF_CHECK_EQUAL(render(uut), "-ERR The node is shutting down.\r\n");
}

CAF_TEST(a muted command leaves no reply) {
  slot uut{shape::value, 1, true};
  auto x = hit("a");
  uut.put(0, x, 0);
  CAF_CHECK_EQUAL(render(uut), "");
}
