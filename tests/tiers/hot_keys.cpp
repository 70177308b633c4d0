#define CAF_SUITE tiers.hot_keys

#include "tiers/hot_keys.hpp"
#include "tests/support/entries.hpp"
#include "tests/support/temp_dir.hpp"
#include "tiers/hot_ranking.hpp"
#include "tiers/warm_pace.hpp"

#include <caf/test/unit_test.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>

using namespace terrace;
using namespace terrace::test;

namespace {

constexpr std::int64_t noon = 1'700'000'000'000;

hot_key make_hot(std::string_view name, std::uint16_t hotness,
                 std::uint32_t bytes = 100, std::int64_t expires_ms = 0) {
  return {key(name), hotness, bytes, expires_ms};
}

/// So many keys, each a little less hot than the one before.
hot_keys many(std::size_t n) {
  hot_keys result;
  for (std::size_t i = 0; i < n; ++i)
    result.push_back(make_hot("key-" + std::to_string(i),
                              static_cast<std::uint16_t>((n - i) * 65535 / n),
                              static_cast<std::uint32_t>(i),
                              i % 3 == 0 ? 0 : noon + 5));
  return result;
}

std::string names(const hot_keys& xs) {
  std::string result;
  for (auto& x : xs)
    result.append(result.empty() ? "" : " ").append(user_key(x.key));
  return result;
}

bool begins_with(const hot_keys& xs, const hot_keys& all) {
  return xs.size() <= all.size()
         && std::equal(xs.begin(), xs.end(), all.begin());
}

struct fixture {
  temp_dir dir;
  std::string path = dir.path() + "/folder/hot-keys";

  void overwrite(std::string_view bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
  }

  std::string content() {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(hot_keys_tests, fixture)

// -- files --------------------------------------------------------------------

CAF_TEST(what is written is read in its order) {
  auto xs = many(10'000); // several blocks
  xs.push_back({qualify(7, ""), 0, 0, -1});
  xs.push_back(make_hot(std::string(64 << 10, 'k'), 0, 0xFFFFFFFF));
  CAF_REQUIRE(write_hot_keys(path, xs, noon));
  auto x = read_hot_keys(path);
  CAF_REQUIRE(x && *x);
  CAF_CHECK((**x == kept_keys{noon, xs, {}}));
  CAF_CHECK(!std::filesystem::exists(path + ".new"));
}

CAF_TEST(no file is no error and an empty list is a list) {
  auto x = read_hot_keys(path);
  CAF_REQUIRE(x);
  CAF_CHECK(!*x);
  CAF_REQUIRE(write_hot_keys(path, {}, noon));
  auto y = read_hot_keys(path);
  CAF_REQUIRE(y && *y);
  CAF_CHECK((**y == kept_keys{noon, {}, {}}));
}

CAF_TEST(a later file takes the place of the former) {
  CAF_REQUIRE(write_hot_keys(path, many(3000), noon));
  CAF_REQUIRE(write_hot_keys(path, many(2), noon + 1));
  auto x = read_hot_keys(path);
  CAF_REQUIRE(x && *x);
  CAF_CHECK((**x == kept_keys{noon + 1, many(2), {}}));
}

CAF_TEST(where no file can be made the old one stays) {
  CAF_REQUIRE(write_hot_keys(path, many(2), noon));
  // A folder in the place of the new file.
  std::filesystem::create_directory(path + ".new");
  auto x = write_hot_keys(path, many(3), noon);
  CAF_REQUIRE(!x);
  CAF_CHECK(x.error().code == errc::io_failure);
  CAF_CHECK(x.error().detail.find(path) != std::string::npos);
  CAF_CHECK_EQUAL((*read_hot_keys(path))->found.size(), 2u);
  // A file where the folder should be.
  CAF_CHECK(!write_hot_keys(path + "/below/hot-keys", many(1), noon));
  // What is no file cannot be read.
  CAF_CHECK(read_hot_keys(dir.path()).error().code == errc::io_failure);
}

// -- damage -------------------------------------------------------------------

CAF_TEST(a file that was cut off gives what is whole) {
  auto xs = many(5000);
  auto all = encode_hot_keys(xs, noon);
  std::size_t most = 0;
  for (std::size_t n = 0; n < all.size(); n += 97) {
    auto x = parse_hot_keys(std::string_view{all}.substr(0, n));
    if (n < 32) {
      CAF_REQUIRE(!x);
      CAF_REQUIRE(x.error().code == errc::corrupt);
      continue;
    }
    CAF_REQUIRE(x);
    CAF_REQUIRE(x->damage.code == errc::corrupt);
    CAF_REQUIRE(begins_with(x->found, xs));
    CAF_REQUIRE(x->found.size() >= most);
    most = x->found.size();
  }
  CAF_CHECK(most > 0);
}

CAF_TEST(a byte that changed is noticed wherever it is) {
  auto xs = many(3000);
  auto all = encode_hot_keys(xs, noon);
  for (std::size_t at = 0; at < all.size(); at += at < 64 ? 1 : 61) {
    auto bad = all;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    auto x = parse_hot_keys(bad);
    if (at < 32) {
      CAF_REQUIRE(!x);
      continue;
    }
    CAF_REQUIRE(x);
    CAF_REQUIRE(x->damage);
    CAF_REQUIRE(begins_with(x->found, xs));
  }
}

CAF_TEST(blocks that changed places and bytes at the end are noticed) {
  auto xs = many(5000);
  auto all = encode_hot_keys(xs, noon);
  CAF_CHECK(!parse_hot_keys(all)->damage);
  CAF_CHECK(parse_hot_keys(all + "x")->damage);
  // The second block again in the place of the first.
  auto size_at = [&](std::size_t at) {
    std::uint32_t n = 0;
    std::memcpy(&n, all.data() + at, sizeof(n));
    return std::size_t{n} + 16;
  };
  auto first = size_at(32);
  auto twice = all.substr(0, 32) + all.substr(32 + first, size_at(32 + first))
               + all.substr(32 + first);
  auto x = parse_hot_keys(twice);
  CAF_REQUIRE(x);
  CAF_CHECK(x->damage.code == errc::corrupt);
  CAF_CHECK(x->found.empty());
}

CAF_TEST(a file of another version or of others is refused) {
  auto later = encode_hot_keys(many(3), noon);
  later[8] = 2;
  auto x = parse_hot_keys(later);
  CAF_REQUIRE(!x);
  CAF_CHECK(x.error().code == errc::unsupported_format);
  for (std::string text : {"", "TERRAHOT",
                           "hello, this is no list of keys, "
                           "and longer than a header"})
    CAF_CHECK(parse_hot_keys(text).error().code == errc::corrupt);
  CAF_REQUIRE(write_hot_keys(path, {}, noon));
  overwrite(later);
  CAF_CHECK(read_hot_keys(path).error().detail.starts_with(path));
}

// -- bounds -------------------------------------------------------------------

CAF_TEST(a file keeps within its bounds and leaves the coldest out) {
  hot_keys xs;
  for (int i = 0; i < 1100; ++i)
    xs.push_back(make_hot(std::to_string(i) + std::string(64'000, 'k'), 1));
  auto bytes = encode_hot_keys(xs, noon);
  CAF_CHECK(bytes.size() <= max_hot_keys_size);
  auto x = parse_hot_keys(bytes);
  CAF_REQUIRE(x);
  CAF_CHECK(!x->damage);
  // 64 MiB are 1048 keys of 64 KB.
  CAF_CHECK(x->found.size() > 1040 && x->found.size() < 1049);
  CAF_CHECK(begins_with(x->found, xs));
  hot_keys small(max_hot_keys + 5, make_hot("", 0));
  CAF_CHECK_EQUAL(parse_hot_keys(encode_hot_keys(small, noon))->found.size(),
                  max_hot_keys);
}

CAF_TEST(the hottest are kept whatever the order in which they come) {
  std::mt19937 random{17};
  auto xs = many(5000);
  auto shuffled = xs;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  hot_ranking uut{1000, 1 << 20};
  std::size_t given = 0;
  for (auto& x : shuffled) {
    // As a shard does.
    if (x.hotness < uut.floor())
      continue;
    ++given;
    uut.add({x});
  }
  CAF_CHECK(given < 4000); // most of the cold ones were not even asked for
  CAF_CHECK(uut.take() == hot_keys(xs.begin(), xs.begin() + 1000));
  CAF_CHECK(uut.take().empty());
  CAF_CHECK_EQUAL(uut.floor(), 0u);
}

CAF_TEST(bytes bound the keys as well) {
  hot_ranking uut{1000, 3 * kept_size(make_hot("x", 0))};
  uut.add({make_hot("a", 1), make_hot("b", 2), make_hot("c", 3)});
  CAF_CHECK_EQUAL(uut.floor(), 0u);
  uut.add({make_hot("d", 4)});
  CAF_CHECK_EQUAL(uut.floor(), 3u); // b, c, d are in
  CAF_CHECK_EQUAL(names(uut.take()), "d c b");
  hot_ranking none{10, 5};
  none.add({make_hot("a", 65535)});
  CAF_CHECK(none.take().empty());
}

CAF_TEST(lists are merged by hotness and evenly where that is equal) {
  CAF_CHECK_EQUAL(
    names(merge_hottest({{make_hot("a", 9), make_hot("b", 3), make_hot("c", 3)},
                         {make_hot("d", 7), make_hot("e", 3)},
                         {},
                         {make_hot("f", 9), make_hot("g", 9)}})),
    "a f g d b e c");
  CAF_CHECK(merge_hottest({}).empty());
}

// -- pace ---------------------------------------------------------------------

CAF_TEST(batches grow while they are answered at once and shrink otherwise) {
  using us = warm_pace::duration;
  warm_pace uut;
  CAF_CHECK_EQUAL(uut.batch(), 32u);
  uut.answered(us{1500});
  CAF_CHECK_EQUAL(uut.batch(), 32u);
  CAF_CHECK(uut.rest() == us{4500});
  for (int i = 0; i < 9; ++i)
    uut.answered(us{400});
  CAF_CHECK_EQUAL(uut.batch(), warm_pace::max_batch);
  CAF_CHECK(uut.rest() == us{1200});
  uut.answered(us{2500});
  CAF_CHECK_EQUAL(uut.batch(), 32u);
  for (int i = 0; i < 9; ++i)
    uut.answered(us{60'000'000});
  CAF_CHECK_EQUAL(uut.batch(), warm_pace::min_batch);
  CAF_CHECK(uut.rest() == us{20'000});
}

CAF_TEST(a long way to a tier does not make batches small) {
  using us = warm_pace::duration;
  warm_pace uut;
  for (int i = 0; i < 9; ++i)
    uut.answered(us{3000});
  CAF_CHECK_EQUAL(uut.batch(), 32u);
  uut.answered(us{13'000});
  CAF_CHECK_EQUAL(uut.batch(), 16u);
}

CAF_TEST_FIXTURE_SCOPE_END()
