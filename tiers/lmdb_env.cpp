#include "tiers/lmdb_env.hpp"

#include <lmdb.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace terrace {

namespace {

/// The pages that hold the roots; never part of a tree.
constexpr std::uint64_t root_pages = 2;

constexpr MDB_dbi free_table = 0;

constexpr off_t reserve_size = 4 << 20;

/// Without this, LMDB ends the process when it meets a page that cannot be. The
/// exception crosses LMDB's own frames, which hold nothing to release: the
/// transaction is aborted by its owner.
void on_broken_page(MDB_env*, const char* text) {
  throw lmdb_fault{{errc::corrupt, std::string{"damaged page: "} + text}};
}

} // namespace

// -- lmdb_env -----------------------------------------------------------------

lmdb_env::lmdb_env(const std::string& path, std::uint64_t map_size)
  : path_(path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec)
    lmdb_fail(ec.value(), "cannot create directory " + path);
  try {
    lock_directory();
    lmdb_check(mdb_env_create(&env_), "mdb_env_create");
    lmdb_check(mdb_env_set_maxdbs(env_, 8), "mdb_env_set_maxdbs");
    lmdb_check(mdb_env_set_mapsize(env_, map_size), "mdb_env_set_mapsize");
    lmdb_check(mdb_env_set_assert(env_, on_broken_page), "mdb_env_set_assert");
    auto rc = mdb_env_open(env_, path.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc != MDB_SUCCESS)
      lmdb_fail(rc, "cannot open " + path + "/data.mdb");
    int dead = 0;
    lmdb_check(mdb_reader_check(env_, &dead), "mdb_reader_check");
    check_length();
    keep_reserve();
    open_tables();
  } catch (...) {
    close();
    throw;
  }
}

lmdb_env::~lmdb_env() {
  close();
}

void lmdb_env::close() noexcept {
  for (auto* txn : idle_)
    mdb_txn_abort(txn);
  idle_.clear();
  if (env_)
    mdb_env_close(env_);
  env_ = nullptr;
  if (lock_fd_ >= 0)
    ::close(lock_fd_); // gives up the lock
  lock_fd_ = -1;
}

void lmdb_env::lock_directory() {
  auto file = path_ + "/terrace.lock";
  lock_fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0)
    lmdb_fail(errno, "cannot open " + file);
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0)
    return;
  if (errno == EWOULDBLOCK)
    throw lmdb_fault{{errc::in_use, path_ + " is used by another node"}};
  lmdb_fail(errno, "cannot lock " + file);
}

void lmdb_env::open_tables() {
  lmdb_write txn{env_};
  auto open = [&](const char* name, unsigned flags) {
    MDB_dbi result = 0;
    lmdb_check(mdb_dbi_open(txn.native(), name, flags | MDB_CREATE, &result),
               "mdb_dbi_open");
    return result;
  };
  tables_.data = open("data", 0);
  tables_.order = open("order", MDB_INTEGERKEY);
  tables_.expiry = open("expiry", 0);
  tables_.tags = open("tags", 0);
  tables_.meta = open("meta", 0);
  tables_.journal[0] = open("journal0", MDB_INTEGERKEY);
  tables_.journal[1] = open("journal1", MDB_INTEGERKEY);
  txn.commit();
}

/// A page behind the end of a file kills the process when it is touched, so a
/// truncated file has to be noticed here. Pages that LMDB allocated, but never
/// had to write, may be missing from a sound file: they are all listed as free.
/// The file is brought to its full length, so that looking at that list is
/// safe.
void lmdb_env::check_length() {
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  MDB_stat stat;
  lmdb_check(mdb_env_stat(env_, &stat), "mdb_env_stat");
  auto length = stats().file_bytes;
  std::uint64_t present = length / stat.ms_psize;
  std::uint64_t expected = info.me_last_pgno + 1;
  if (present >= expected)
    return;
  auto file = path_ + "/data.mdb";
  if (::truncate(file.c_str(), static_cast<off_t>(expected * stat.ms_psize)))
    lmdb_fail(errno, "cannot extend " + file);
  std::uint64_t missing_free = 0;
  try {
    missing_free = count_free(present, expected);
  } catch (const lmdb_fault&) {
    // The list itself is damaged: nothing of it counts.
  }
  if (missing_free == expected - present)
    return;
  if (::truncate(file.c_str(), static_cast<off_t>(length)))
    lmdb_fail(errno, "cannot restore " + file);
  throw lmdb_fault{{errc::corrupt, file + " is truncated"}};
}

std::uint64_t lmdb_env::count_free(std::uint64_t from, std::uint64_t to) {
  std::uint64_t result = 0;
  lmdb_read txn{*this};
  lmdb_cursor rows{txn.native(), free_table};
  for (auto more = rows.first(); more; more = rows.next()) {
    // A row is a length followed by that many page numbers.
    auto bytes = rows.value();
    constexpr auto step = sizeof(std::size_t);
    for (auto i = step; i + step <= bytes.size(); i += step) {
      std::size_t page;
      std::memcpy(&page, bytes.data() + i, step);
      if (page >= from && page < to)
        ++result;
    }
  }
  return result;
}

lmdb_env::figures lmdb_env::stats() {
  figures result;
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  result.map_bytes = info.me_mapsize;
  struct stat file {};
  if (::stat((path_ + "/data.mdb").c_str(), &file) == 0)
    result.file_bytes = static_cast<std::uint64_t>(file.st_size);
  if (tables_.journal[1] == 0)
    return result; // still opening
  lmdb_read txn{*this};
  std::uint64_t used = root_pages;
  std::uint64_t page_size = 0;
  auto add = [&](MDB_dbi table) {
    MDB_stat x;
    lmdb_check(mdb_stat(txn.native(), table, &x), "mdb_stat");
    used += x.ms_branch_pages + x.ms_leaf_pages + x.ms_overflow_pages;
    page_size = x.ms_psize;
  };
  for (auto table :
       {free_table, free_table + 1, tables_.data, tables_.order, tables_.expiry,
        tables_.tags, tables_.meta, tables_.journal[0], tables_.journal[1]})
    add(table);
  if (info.me_last_pgno + 1 > used)
    result.free_bytes = (info.me_last_pgno + 1 - used) * page_size;
  return result;
}

std::uint64_t lmdb_env::device_free() const noexcept {
  return lmdb_free_on_device(path_.c_str());
}

void lmdb_env::keep_reserve() noexcept {
  auto file = path_ + "/reserve";
  auto fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  auto rc = ::posix_fallocate(fd, 0, reserve_size);
  ::close(fd);
  if (rc != 0)
    release_reserve();
}

void lmdb_env::release_reserve() noexcept {
  ::unlink((path_ + "/reserve").c_str());
}

} // namespace terrace
