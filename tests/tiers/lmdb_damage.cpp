// Files that are damaged or not ours, and devices that are full.
#define CAF_SUITE tiers.lmdb_damage

#include "tests/support/lmdb_fixture.hpp"
#include "tests/support/no_writes.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <sys/mount.h>
#include <utility>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

/// A file system of a few megabytes; `ok` is false without the right to mount.
struct small_device {
  explicit small_device(std::string where) : path(std::move(where)) {
    std::filesystem::create_directory(path);
    ok = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=16m") == 0;
    if (!ok)
      CAF_MESSAGE("skipped: needs the right to mount a tmpfs");
  }

  ~small_device() {
    if (ok)
      ::umount2(path.c_str(), MNT_DETACH); // a store may be open still
  }

  /// Leaves no room for anything else.
  void fill() {
    std::ofstream file{path + "/others"};
    while (file << std::string(4096, 'x') << std::flush) {
      // until the device is full
    }
  }

  std::string path;
  bool ok;
};

/// Damages pages, but for the two roots, of which LMDB takes the better one.
void damage(std::string& file, std::mt19937_64& random) {
  auto pages = file.size() / lmdb_page_size;
  auto kind = random() % 6;
  constexpr std::size_t times[] = {1, 3, 20, 100};
  for (auto n = times[random() % 4]; n > 0; --n) {
    auto at = (2 + random() % (pages - 2)) * lmdb_page_size;
    auto other = (2 + random() % (pages - 2)) * lmdb_page_size;
    auto anywhere = at + random() % lmdb_page_size;
    if (kind == 0)
      file[anywhere] = static_cast<char>(random());
    else if (kind == 1)
      file[anywhere] = static_cast<char>(file[anywhere] ^ 1 << random() % 8);
    else if (kind == 2) // where the page says what is where in it
      file[at + random() % 48] = static_cast<char>(random());
    else if (kind == 3)
      file.replace(at, lmdb_page_size, lmdb_page_size, '\0');
    else if (kind == 4)
      file.replace(at, lmdb_page_size, file.substr(other, lmdb_page_size));
    else // from the kind of the page on
      for (auto i = at + random() % 2 * 12; i < at + lmdb_page_size; ++i)
        file[i] = static_cast<char>(random());
  }
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_damage_tests, lmdb_fixture)

// -- damage and refusals ------------------------------------------------------

CAF_TEST(a damaged record is reported and removed) {
  put(make("a", 1, "a-value-that-can-be-found-in-the-file"));
  put(make("b", 2, "other"));
  uut.reset();
  {
    std::fstream file{dir.path() + "/data.mdb",
                      std::ios::in | std::ios::out | std::ios::binary};
    std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    for (auto at = bytes.find("a-value-that"); at != std::string::npos;
         at = bytes.find("a-value-that", at + 1)) {
      file.clear();
      file.seekp(static_cast<std::streamoff>(at));
      file.put('X');
    }
  }
  open();
  CAF_CHECK_EQUAL(value("a"), "corrupt");
  CAF_CHECK_EQUAL(value("b"), "other");
  CAF_CHECK_GREATER_OR_EQUAL(extra("corrupt"), 1u);
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(value("a"), "-");
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(extra("quarantined"), 1u);
  CAF_CHECK_EQUAL(put(make("a", 3)).stored, 1u);
}

CAF_TEST(files that are not ours are refused with a reason) {
  uut.reset();
  std::filesystem::remove(dir.path() + "/data.mdb");
  std::ofstream{dir.path() + "/data.mdb"} << std::string(100'000, 'x');
  auto why = open_failure(dir.path());
  CAF_CHECK_EQUAL(why.code, errc::corrupt);
  CAF_CHECK_NOT_EQUAL(why.detail.find("data.mdb"), std::string::npos);
}

CAF_TEST(a truncated file is refused) {
  std::vector<entry> xs;
  for (int i = 0; i < 5000; ++i)
    xs.push_back(make(numbered("k", i), 1, std::string(500, 'x')));
  compression.enabled = false;
  open();
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 5000u);
  uut.reset();
  auto file = dir.path() + "/data.mdb";
  auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, size / 2 / 4096 * 4096);
  CAF_CHECK_EQUAL(open_failure(dir.path()).code, errc::corrupt);
  CAF_CHECK_EQUAL(std::filesystem::file_size(file), size / 2 / 4096 * 4096);
}

CAF_TEST(a second node is kept out of the directory) {
  auto why = open_failure(dir.path());
  CAF_CHECK_EQUAL(why.code, errc::in_use);
  uut.reset();
  open();
}

CAF_TEST(a directory that cannot be made is named in the error) {
  std::ofstream{dir.path() + "/file"} << "x";
  auto why = open_failure(dir.path() + "/file/disk");
  CAF_CHECK_EQUAL(why.code, errc::io_failure);
  CAF_CHECK_NOT_EQUAL(why.detail.find("/file/disk"), std::string::npos);
}

// -- full devices -------------------------------------------------------------

CAF_TEST(a device smaller than the bound becomes the bound) {
  small_device device{dir.path() + "/small"};
  if (!device.ok)
    return;
  compression.enabled = false;
  auto x = lmdb_store::open(opts, compression, device.path);
  CAF_REQUIRE(x);
  auto& store = **x;
  version_t version = 0;
  auto text = std::string(1000, 'x');
  for (int i = 0; i < 20'000; ++i) {
    auto y = make(numbered("k", i), ++version, text);
    auto report = store.put({&y, 1}, false, t0);
    if (report.failed != 0)
      CAF_FAIL("write " << i << ": " << to_string(report.why));
  }
  tier_status status;
  store.describe(status);
  CAF_CHECK_GREATER(status.evictions, 10'000u);
  CAF_CHECK_GREATER(status.entries, 3000u);
  CAF_CHECK_LESS(status.capacity_bytes, 16u << 20);
  // A batch larger than the device gets in by smaller and smaller steps.
  std::vector<entry> xs;
  for (int i = 0; i < 20'000; ++i)
    xs.push_back(make(numbered("m", i), ++version, text));
  auto report = store.put(xs, false, t0);
  for (int i = 0; i < 10 && report.failed > 0; ++i) {
    CAF_CHECK_EQUAL(to_string(report.why.code), "no_space");
    auto y = make("again", ++version, text);
    report = store.put({&y, 1}, false, t0);
  }
  CAF_CHECK_EQUAL(report.failed, 0u);
  CAF_CHECK_EQUAL(store.pending_bytes(), 0u);
}

CAF_TEST(a disk that others fill makes misses but never stale values) {
  small_device device{dir.path() + "/small"};
  if (!device.ok)
    return;
  compression.enabled = false;
  auto x = lmdb_store::open(opts, compression, device.path);
  CAF_REQUIRE(x);
  uut = std::move(*x);
  put(make("a", 1, "old"));
  put(make("b", 2, "old"));
  device.fill();
  // More than the reserve: what is there makes room, and it is too little.
  auto large = std::string(5 << 20, 'n');
  put(make("a", 11, large));
  CAF_CHECK_NOT_EQUAL(value("a"), "old");
  CAF_CHECK_LESS(status().capacity_bytes, 1u << 20);
  put(make("b", 12, "new"));
  CAF_CHECK_NOT_EQUAL(value("b"), "old");
  std::filesystem::remove(device.path + "/others");
  put(make("d", 13, "new"));
  CAF_CHECK_EQUAL(value("d"), "new");
  CAF_CHECK_EQUAL(uut->pending_bytes(), 0u);
  CAF_CHECK_EQUAL(count(), status().entries);
}

CAF_TEST(a device that takes nothing makes misses but never stale values) {
  opts.max_pending_size = 1 << 20;
  open();
  put(make("a", 1, "old"));
  put(make("b", 2, "old"));
  put(make("c", 3, "old", 0, {"tag"}));
  version_t version = 10;
  auto large = std::string(600'000, 'n');
  {
    no_writes limit;
    CAF_CHECK_EQUAL(put(make("a", ++version, large)).failed, 1u);
    CAF_CHECK_EQUAL(value("a").size(), large.size()); // from memory
    put(make("x", ++version, large));
    CAF_CHECK_EQUAL(put(make("b", ++version, "new")).failed, 1u);
    CAF_CHECK_EQUAL(value("b"), "-"); // no room for it: a marker, or the floor
    for (int i = 0; i < 3; ++i) {
      put(make(numbered("n", i), ++version, large));
      CAF_CHECK_EQUAL(value("b"), "-");
    }
    // What is cleared is gone, although that cannot be written.
    CAF_CHECK(!uut->purge({selector::kind::tag, 0, "tag"}, 100, t0));
    CAF_CHECK_EQUAL(value("c"), "-");
  }
  version = 100;
  while (put(make("d", ++version, "new")).failed != 0) {
    // the first try may still have to give way to what waits
  }
  CAF_REQUIRE(uut->flush(t0));
  uut->sweep(t0, 1000);
  CAF_CHECK_EQUAL(value("b"), "-");
  CAF_CHECK_EQUAL(value("c"), "-");
  CAF_CHECK_EQUAL(value("d"), "new");
  CAF_CHECK_EQUAL(uut->pending_bytes(), 0u);
  CAF_CHECK_EQUAL(count(), status().entries);
  open();
  CAF_CHECK_EQUAL(value("c"), "-");
}

CAF_TEST(what could not be cleared on disk is cleared with the next commit) {
  put(make("old", 1, "old", 0, {"tag"}));
  put(make("newer", 100, "newer", 0, {"tag"}));
  put(make("other", 2, "other", 0, {"tag"}, 1));
  {
    no_writes limit;
    CAF_CHECK(!uut->purge({selector::kind::tenant, 0, ""}, 50, t0));
    CAF_CHECK(!uut->purge({selector::kind::tag, 1, "tag"}, 50, t0));
    CAF_CHECK_EQUAL(value("old"), "-");
    CAF_CHECK_EQUAL(get(key("other", 1)).what, lookup::outcome::miss);
    CAF_CHECK_EQUAL(value("newer"), "newer");
  }
  CAF_REQUIRE(uut->commit(t0));
  open(); // before any sweep
  CAF_CHECK_EQUAL(value("old"), "-");
  CAF_CHECK_EQUAL(get(key("other", 1)).what, lookup::outcome::miss);
  CAF_CHECK_EQUAL(value("newer"), "newer");
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(count(1), 0u);
  // What is newer can be cleared in its turn.
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "tag", 200), 1u);
  CAF_CHECK_EQUAL(value("newer"), "-");
  uut->sweep(t0, 100);
  CAF_CHECK_EQUAL(value("newer"), "-");
  CAF_CHECK_EQUAL(count(), 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

CAF_TEST(a file that is cut short under the store does not end the process) {
  std::vector<entry> xs;
  for (int i = 0; i < 5000; ++i)
    xs.push_back(make(numbered("k", i), 1, std::string(500, 'x')));
  compression.enabled = false;
  open();
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 5000u);
  std::filesystem::resize_file(dir.path() + "/data.mdb", 8 * 4096);
  auto errors = 0;
  for (int i = 0; i < 5000; ++i) {
    auto x = get(key(numbered("k", i)));
    if (x.what == lookup::outcome::error)
      ++errors;
    else if (x.hit())
      CAF_CHECK_EQUAL(x.data.value.view(), std::string(500, 'x'));
  }
  CAF_CHECK_GREATER(errors, 0);
  CAF_CHECK_EQUAL(put(make("k1", 2, "new")).failed, 0u);
  CAF_CHECK_EQUAL(value("k1"), "new");
  CAF_CHECK_EQUAL(value("k2"), "-");
  CAF_CHECK_EQUAL(uut->renewals(), 1u);
  CAF_CHECK_EQUAL(count(), 1u);
}

CAF_TEST(damaged pages make misses and errors but no wrong values) {
  constexpr auto keys = 1500;
  constexpr auto cases = 120;
  opts.max_size = 4 << 20;
  compression.enabled = false;
  open();
  auto text = [](int i, int size) {
    return numbered("v", i) + std::string(static_cast<std::size_t>(size), 'x');
  };
  std::vector<entry> xs;
  constexpr int sizes[] = {20, 200, 900, 3000};
  for (int i = 0; i < keys; ++i) {
    auto size = i % 300 == 0 ? 70'000 : sizes[i % 4];
    xs.push_back(make(numbered("k", i), 1, text(i, size),
                      t0 + 1'000'000 + i % 2 * 1000, {numbered("tag", i % 5)}));
  }
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, xs.size());
  uut.reset();
  auto path = dir.path() + "/data.mdb";
  std::string sound;
  {
    std::ifstream file{path, std::ios::binary};
    sound.assign(std::istreambuf_iterator<char>{file}, {});
  }
  auto refused = 0;
  auto renewed = 0;
  for (auto seed = 1; seed <= cases; ++seed) {
    CAF_MESSAGE("seed " << seed);
    std::mt19937_64 random{static_cast<std::uint64_t>(seed)};
    auto bytes = sound;
    damage(bytes, random);
    std::ofstream{path, std::ios::binary} << bytes;
    auto x = lmdb_store::open(opts, compression, dir.path());
    if (!x) {
      ++refused;
      continue;
    }
    uut = std::move(*x);
    auto wrong = 0;
    auto check = [&](int i, const std::string& newer, bool may_be_old) {
      auto found = get(key(numbered("k", i)));
      if (found.hit() && found.data.value.view() != newer
          && !(may_be_old
               && found.data.value.view()
                    == xs[static_cast<std::size_t>(i)].data.value.view()))
        ++wrong;
    };
    for (int i = 0; i < keys; ++i)
      check(i, "", true);
    std::string cursor;
    for (auto steps = 0;; ++steps) {
      CAF_REQUIRE(steps < keys);
      auto page = uut->list(0, "*", cursor, 100, t0);
      if (!page || page->done)
        break;
      cursor = page->next;
    }
    uut->count(0);
    for (int i = 0; i < keys; i += keys / 5) {
      std::vector<entry> written;
      std::vector<removal> removed;
      for (int j = i; j < i + keys / 5; j += 3) {
        written.push_back(make(numbered("k", j), 2, "new"));
        removed.push_back({key(numbered("k", j + 1)), 2});
      }
      uut->put(written, false, t0);
      uut->remove(removed, t0);
      for (int j = i; j < i + keys / 5; j += 3) {
        check(j, "new", false);
        check(j + 1, "", false);
      }
    }
    uut->purge({selector::kind::tag, 0, "tag1"}, 100, t0);
    check(1, "", false);
    uut->sweep(t0 + 1'000'500, 10'000);
    uut->purge({selector::kind::tenant, 0, ""}, 100, t0);
    uut->sweep(t0, 10'000);
    for (int i = 0; i < keys; ++i)
      check(i, "", false);
    auto last = put(make("last", 200, "value"));
    CAF_CHECK_EQUAL(wrong, 0);
    CAF_CHECK_EQUAL(last.failed, 0u);
    CAF_CHECK_EQUAL(value("last"), "value");
    renewed += uut->renewals() > 0 ? 1 : 0;
    uut.reset();
  }
  CAF_MESSAGE(refused << " refused, " << renewed << " begun anew");
  CAF_CHECK_GREATER(renewed, cases / 4);
  CAF_CHECK_LESS(refused, cases / 2);
}

CAF_TEST(a directory that is removed under the store is made anew) {
  put(make("a", 1, "old"));
  stage({make("b", 2, "waits")});
  std::filesystem::remove_all(dir.path());
  CAF_CHECK_EQUAL(value("a"), "old"); // the files live on until they are closed
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(uut->renewals(), 1u);
  CAF_CHECK_EQUAL(value("a"), "-");
  CAF_CHECK_EQUAL(value("b"), "waits");
  open();
  CAF_CHECK_EQUAL(value("b"), "waits");
}

CAF_TEST_FIXTURE_SCOPE_END()
