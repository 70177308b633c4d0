// Durability "os": what is left of the files when the machine has been down.
#define CAF_SUITE tiers.lmdb_checkpoint

#include "tests/support/lmdb_fixture.hpp"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>

using namespace terrace;
using namespace terrace::test;

namespace {

constexpr std::size_t page_size = 4096;

/// Of the checkpoint's file: magic, boot id, root, checksum.
constexpr std::size_t boot_at = 8;
constexpr std::size_t checksum_at = 8 + 40 + page_size;

std::string read_file(const std::string& name) {
  std::ifstream in{name, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_file(const std::string& name, const std::string& bytes) {
  std::ofstream{name, std::ios::binary} << bytes;
}

/// A store without syncs, and copies of its directory as it is at some moment:
/// what a process that is killed leaves behind.
struct fixture : lmdb_fixture {
  temp_dir copies;
  int copied = 0;

  fixture() {
    compression.enabled = false;
    opts.durability = "os";
    open();
  }

  bool has_checkpoint(const std::string& path) {
    return std::filesystem::exists(path + "/checkpoint");
  }

  std::string copy() {
    auto result = copies.path() + "/" + std::to_string(copied++);
    std::filesystem::create_directory(result);
    for (auto* name : {"/data.mdb", "/checkpoint"})
      std::filesystem::copy_file(dir.path() + name, result + name);
    return result;
  }

  /// From now on the machine has been started anew since the checkpoint.
  void start_machine(const std::string& path) {
    auto bytes = read_file(path + "/checkpoint");
    CAF_REQUIRE_EQUAL(bytes.size(), checksum_at + 8);
    bytes[boot_at] = bytes[boot_at] == 'x' ? 'y' : 'x';
    auto sum = XXH3_64bits(bytes.data(), checksum_at);
    bytes.replace(checksum_at, 8, reinterpret_cast<const char*>(&sum), 8);
    write_file(path + "/checkpoint", bytes);
  }

  /// Opens a copy instead. What it held is what `value` answers from now on.
  void open_copy(const std::string& path) {
    auto x = lmdb_store::open(opts, compression, path);
    if (!x)
      CAF_FAIL("cannot open: " << to_string(x.error()));
    uut = std::move(*x);
  }

  /// Makes sure that all commits up to now are in the checkpoint.
  void checkpoint() {
    CAF_REQUIRE(uut->checkpoint());
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_checkpoint_tests, fixture)

CAF_TEST(an orderly end leaves no checkpoint) {
  CAF_CHECK(has_checkpoint(dir.path()));
  put(make("a", 1));
  uut.reset();
  CAF_CHECK(!has_checkpoint(dir.path()));
  open();
  CAF_CHECK(!uut->restored());
  CAF_CHECK_EQUAL(value("a"), "value");
}

CAF_TEST(a process that is killed loses nothing that was committed) {
  put(make("a", 1));
  open_copy(copy());
  CAF_CHECK(!uut->restored());
  CAF_CHECK_EQUAL(value("a"), "value");
}

CAF_TEST(after a power cut everything is as it was at the checkpoint) {
  fill("k", 0, 500);
  put(make("deleted", 501));
  put(make("changed", 502, "old", 0, {"tag"}));
  checkpoint();
  auto before = read_file(dir.path() + "/data.mdb");
  for (int i = 0; i < 20; ++i)
    fill("n", 600 + 50 * i, 50);
  remove("deleted", 2000);
  put(make("changed", 2001, "new"));
  purge(selector::kind::prefix, "k1", 3000);
  // Of all that was written since, any part may have reached the device.
  auto path = copy();
  auto after = read_file(path + "/data.mdb");
  std::mt19937 rng{1};
  auto torn = 0;
  for (std::size_t at = 0; at < after.size(); at += page_size) {
    if (before.compare(std::min(at, before.size()), page_size, after, at,
                       page_size)
        == 0)
      continue;
    ++torn;
    for (auto i = at; i < std::min(at + page_size, after.size()); ++i)
      after[i] = static_cast<char>(rng());
  }
  CAF_CHECK_GREATER(torn, 50);
  write_file(path + "/data.mdb", after);
  start_machine(path);
  open_copy(path);
  CAF_CHECK(uut->restored());
  CAF_CHECK_EQUAL(count(), 502u);
  CAF_CHECK_EQUAL(keys_of("*", 100).size(), 502u);
  for (int i = 0; i < 500; ++i)
    CAF_REQUIRE_EQUAL(value(numbered("k", i)), std::string(400, 'x'));
  CAF_CHECK_EQUAL(value("deleted"), "value");
  CAF_CHECK_EQUAL(value("changed"), "old");
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "tag", 5000), 1u);
  // It goes on from there, and what comes now is safe from the old checkpoint.
  put(make("late", 5001));
  uut.reset();
  CAF_CHECK(!has_checkpoint(path));
  open_copy(path);
  CAF_CHECK_EQUAL(value("late"), "value");
  CAF_CHECK_EQUAL(count(), 502u);
}

CAF_TEST(a checkpoint is made now and then while there is work) {
  for (int round = 0; round < 5; ++round) {
    put(make(numbered("k", round), static_cast<version_t>(round) + 1));
    checkpoint();
    put(make("later", static_cast<version_t>(round) + 100));
    auto path = copy();
    start_machine(path);
    auto mine = std::move(uut);
    open_copy(path);
    CAF_CHECK(uut->restored());
    CAF_CHECK_EQUAL(count(), round == 0 ? 1u : round + 2u);
    uut = std::move(mine);
  }
}

CAF_TEST(free pages that are kept for the checkpoint do not fill the disk) {
  opts.max_size = 16 << 20;
  open();
  // Some ten times what there is room for, all of it between two sweeps.
  version_t version = 0;
  for (int i = 0; i < 400; ++i) {
    auto x = make(numbered("k", i % 8), ++version, std::string(400'000, 'v'));
    CAF_REQUIRE_EQUAL(put(x).stored, 1u);
    if (i % 3 == 0)
      purge(selector::kind::key, numbered("k", i % 5), version);
    if (i % 5 == 0)
      purge(selector::kind::tenant, "", version);
  }
  CAF_CHECK_EQUAL(extra("commit_errors"), 0u);
  CAF_CHECK_EQUAL(status().evictions, 0u);
  CAF_CHECK_LESS_OR_EQUAL(extra("device_bytes"), opts.max_size);
  auto path = copy();
  start_machine(path);
  open_copy(path);
  CAF_CHECK_GREATER(get(key("k7")).data.version, version - 100);
}

CAF_TEST(nothing that the checkpoint needs is given back to the device) {
  constexpr int n = 20'000;
  fill("k", 0, n);
  purge(selector::kind::prefix, "k1", n);
  checkpoint();
  auto there = count();
  CAF_CHECK_EQUAL(there, 8889u); // those that begin with 0 and 2 to 9
  purge(selector::kind::prefix, "k", n);
  for (int i = 0; i < 20; ++i)
    uut->sweep(t0, 1000);
  CAF_CHECK_GREATER(extra("given_back_bytes"), 0u);
  auto path = copy();
  start_machine(path);
  open_copy(path);
  CAF_CHECK(uut->restored());
  for (int i = 0; i < n; ++i)
    if (auto name = numbered("k", i); !name.starts_with("k1"))
      CAF_REQUIRE_EQUAL(value(name), std::string(400, 'x'));
  CAF_CHECK_EQUAL(keys_of("*", 1000).size(), there);
}

CAF_TEST(a checkpoint that cannot be read means an empty store) {
  put(make("a", 1));
  auto bytes = read_file(dir.path() + "/checkpoint");
  for (std::size_t at : {std::size_t{3}, boot_at, std::size_t{500}, checksum_at,
                         std::size_t{0}}) {
    auto damaged = bytes;
    if (at == 0)
      damaged.resize(100); // cut short
    else
      damaged[at] ^= 1;
    auto here = copy();
    write_file(here + "/checkpoint", damaged);
    auto mine = std::move(uut);
    open_copy(here);
    CAF_CHECK(uut->restored());
    CAF_CHECK_EQUAL(count(), 0u);
    put(make("b", 2));
    uut.reset();
    open_copy(here);
    CAF_CHECK(!uut->restored());
    CAF_CHECK_EQUAL(value("b"), "value");
    uut = std::move(mine);
  }
}

CAF_TEST(a checkpoint without files is of no use to those made later) {
  put(make("a", 1));
  auto path = copy();
  start_machine(path);
  std::filesystem::remove(path + "/data.mdb");
  open_copy(path);
  CAF_CHECK_EQUAL(count(), 0u);
  put(make("b", 2));
  uut.reset();
  open_copy(path);
  CAF_CHECK(!uut->restored());
  CAF_CHECK_EQUAL(value("b"), "value");
}

CAF_TEST(another durability begins where os ended) {
  put(make("a", 1));
  checkpoint();
  put(make("b", 2));
  auto killed = copy();
  auto cut = copy();
  start_machine(cut);
  opts.durability = "interval";
  open_copy(killed);
  CAF_CHECK(!uut->restored());
  CAF_CHECK(!has_checkpoint(killed));
  CAF_CHECK_EQUAL(value("a"), "value");
  CAF_CHECK_EQUAL(value("b"), "value");
  open_copy(cut);
  CAF_CHECK(uut->restored());
  CAF_CHECK(!has_checkpoint(cut));
  CAF_CHECK_EQUAL(value("a"), "value");
  CAF_CHECK_EQUAL(value("b"), "-");
  // And back again.
  put(make("c", 3));
  opts.durability = "os";
  uut.reset();
  open_copy(cut);
  CAF_CHECK(!uut->restored());
  CAF_CHECK_EQUAL(value("c"), "value");
}

CAF_TEST_FIXTURE_SCOPE_END()
