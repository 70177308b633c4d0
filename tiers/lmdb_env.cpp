#include "tiers/lmdb_env.hpp"

#include <lmdb.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

/// A device with less room than this is full.
constexpr std::uint64_t full_below = 1 << 20;

errc classify(int rc) noexcept {
  switch (rc) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
      return errc::no_space;
    case EACCES:
    case EPERM:
    case EROFS:
      return errc::read_only;
    case EBUSY:
    case EAGAIN:
      return errc::in_use;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
      return errc::corrupt;
    case MDB_VERSION_MISMATCH:
      return errc::unsupported_format;
    case MDB_READERS_FULL:
      return errc::overloaded;
    default:
      return errc::io_failure;
  }
}

[[noreturn]] void fail(int rc, std::string what) {
  what.append(": ").append(mdb_strerror(rc));
  throw lmdb_fault{{classify(rc), std::move(what)}};
}

void check(int rc, const char* what) {
  if (rc != MDB_SUCCESS)
    fail(rc, what);
}

/// True when found, false when absent; anything else is thrown.
bool found(int rc, const char* what) {
  if (rc == MDB_NOTFOUND)
    return false;
  check(rc, what);
  return true;
}

MDB_val to_val(std::string_view x) noexcept {
  return {x.size(), const_cast<char*>(x.data())};
}

/// Without this, LMDB ends the process when it meets a page that cannot be. The
/// exception crosses LMDB's own frames, which hold nothing to release: the
/// transaction is aborted by its owner.
void on_broken_page(MDB_env*, const char* text) {
  throw lmdb_fault{{errc::corrupt, std::string{"damaged page: "} + text}};
}

std::uint64_t free_on_device(const char* path) noexcept {
  struct statvfs x {};
  if (::statvfs(path, &x) != 0)
    return 0;
  return static_cast<std::uint64_t>(x.f_bavail) * x.f_frsize;
}

std::string_view to_view(const MDB_val& x) noexcept {
  return {static_cast<const char*>(x.mv_data), x.mv_size};
}

} // namespace

std::string_view lmdb_integer(const std::uint64_t& x) noexcept {
  return {reinterpret_cast<const char*>(&x), sizeof(x)};
}

// -- lmdb_cursor --------------------------------------------------------------

lmdb_cursor::lmdb_cursor(MDB_txn* txn, lmdb_table table) {
  check(mdb_cursor_open(txn, table, &cursor_), "mdb_cursor_open");
}

lmdb_cursor::~lmdb_cursor() {
  mdb_cursor_close(cursor_);
}

bool lmdb_cursor::move(std::string_view key, int op) {
  auto k = to_val(key);
  MDB_val v{};
  auto rc = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(op));
  // On an empty table LMDB answers a move with EINVAL in some states.
  if (rc == EINVAL && op == MDB_NEXT)
    return false;
  if (!found(rc, "mdb_cursor_get"))
    return false;
  key_ = to_view(k);
  value_ = to_view(v);
  return true;
}

bool lmdb_cursor::find(std::string_view key) {
  return move(key, MDB_SET_KEY);
}

bool lmdb_cursor::find_at_least(std::string_view key) {
  return key.empty() ? first() : move(key, MDB_SET_RANGE);
}

bool lmdb_cursor::first() {
  return move({}, MDB_FIRST);
}

bool lmdb_cursor::last() {
  return move({}, MDB_LAST);
}

bool lmdb_cursor::next() {
  return move({}, MDB_NEXT);
}

bool lmdb_cursor::insert(std::string_view key, std::string_view value) {
  auto k = to_val(key);
  auto v = to_val(value);
  auto rc = mdb_cursor_put(cursor_, &k, &v, MDB_NOOVERWRITE);
  if (rc == MDB_KEYEXIST) {
    key_ = key;
    value_ = to_view(v);
    return false;
  }
  check(rc, "mdb_cursor_put");
  return true;
}

void lmdb_cursor::append(std::string_view key, std::string_view value) {
  auto k = to_val(key);
  auto v = to_val(value);
  check(mdb_cursor_put(cursor_, &k, &v, MDB_APPEND), "mdb_cursor_put");
}

void lmdb_cursor::replace(std::string_view key, std::string_view value) {
  auto k = to_val(key);
  auto v = to_val(value);
  check(mdb_cursor_put(cursor_, &k, &v, MDB_CURRENT), "mdb_cursor_put");
}

void lmdb_cursor::erase() {
  check(mdb_cursor_del(cursor_, 0), "mdb_cursor_del");
}

// -- lmdb_write ---------------------------------------------------------------

lmdb_write::lmdb_write(MDB_env* env) {
  check(mdb_txn_begin(env, nullptr, 0, &txn_), "mdb_txn_begin");
}

lmdb_write::~lmdb_write() {
  if (txn_)
    mdb_txn_abort(txn_);
}

void lmdb_write::commit() {
  auto* env = mdb_txn_env(txn_);
  auto* txn = std::exchange(txn_, nullptr); // freed by LMDB in any case
  auto rc = mdb_txn_commit(txn);
  // LMDB calls it an I/O error when only a part fits on the device.
  const char* path = nullptr;
  if (rc == EIO && mdb_env_get_path(env, &path) == MDB_SUCCESS
      && free_on_device(path) < full_below)
    rc = ENOSPC;
  check(rc, "mdb_txn_commit");
}

void lmdb_write::clear(lmdb_table table) {
  check(mdb_drop(txn_, table, 0), "mdb_drop");
}

// -- lmdb_read ----------------------------------------------------------------

lmdb_read::lmdb_read(lmdb_env& env) : env_(env) {
  {
    std::lock_guard lock{env.mutex_};
    if (!env.idle_.empty()) {
      txn_ = env.idle_.back();
      env.idle_.pop_back();
    }
  }
  if (!txn_) {
    check(mdb_txn_begin(env.env_, nullptr, MDB_RDONLY, &txn_),
          "mdb_txn_begin");
  } else if (auto rc = mdb_txn_renew(txn_); rc != MDB_SUCCESS) {
    mdb_txn_abort(txn_);
    fail(rc, "mdb_txn_renew");
  }
}

lmdb_read::~lmdb_read() {
  mdb_txn_reset(txn_);
  std::lock_guard lock{env_.mutex_};
  env_.idle_.push_back(txn_);
}

bool lmdb_read::get(lmdb_table table, std::string_view key,
                    std::string_view& out) {
  auto k = to_val(key);
  MDB_val v{};
  if (!found(mdb_get(txn_, table, &k, &v), "mdb_get"))
    return false;
  out = to_view(v);
  return true;
}

// -- lmdb_env -----------------------------------------------------------------

lmdb_env::lmdb_env(const std::string& path, std::uint64_t map_size)
  : path_(path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec)
    fail(ec.value(), "cannot create directory " + path);
  try {
    lock_directory();
    check(mdb_env_create(&env_), "mdb_env_create");
    check(mdb_env_set_maxdbs(env_, 8), "mdb_env_set_maxdbs");
    check(mdb_env_set_mapsize(env_, map_size), "mdb_env_set_mapsize");
    check(mdb_env_set_assert(env_, on_broken_page), "mdb_env_set_assert");
    auto rc = mdb_env_open(env_, path.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc != MDB_SUCCESS)
      fail(rc, "cannot open " + path + "/data.mdb");
    int dead = 0;
    check(mdb_reader_check(env_, &dead), "mdb_reader_check");
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
    fail(errno, "cannot open " + file);
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0)
    return;
  if (errno == EWOULDBLOCK)
    throw lmdb_fault{{errc::in_use, path_ + " is used by another node"}};
  fail(errno, "cannot lock " + file);
}

void lmdb_env::open_tables() {
  lmdb_write txn{env_};
  auto open = [&](const char* name, unsigned flags) {
    MDB_dbi result = 0;
    check(mdb_dbi_open(txn.native(), name, flags | MDB_CREATE, &result),
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
/// The file is brought to its full length, so that looking at that list is safe.
void lmdb_env::check_length() {
  MDB_envinfo info;
  check(mdb_env_info(env_, &info), "mdb_env_info");
  MDB_stat stat;
  check(mdb_env_stat(env_, &stat), "mdb_env_stat");
  auto length = stats().file_bytes;
  std::uint64_t present = length / stat.ms_psize;
  std::uint64_t expected = info.me_last_pgno + 1;
  if (present >= expected)
    return;
  auto file = path_ + "/data.mdb";
  if (::truncate(file.c_str(), static_cast<off_t>(expected * stat.ms_psize)))
    fail(errno, "cannot extend " + file);
  std::uint64_t missing_free = 0;
  try {
    missing_free = count_free(present, expected);
  } catch (const lmdb_fault&) {
    // The list itself is damaged: nothing of it counts.
  }
  if (missing_free == expected - present)
    return;
  if (::truncate(file.c_str(), static_cast<off_t>(length)))
    fail(errno, "cannot restore " + file);
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
  check(mdb_env_info(env_, &info), "mdb_env_info");
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
    check(mdb_stat(txn.native(), table, &x), "mdb_stat");
    used += x.ms_branch_pages + x.ms_leaf_pages + x.ms_overflow_pages;
    page_size = x.ms_psize;
  };
  for (auto table : {free_table, free_table + 1, tables_.data, tables_.order,
                     tables_.expiry, tables_.tags, tables_.meta,
                     tables_.journal[0], tables_.journal[1]})
    add(table);
  if (info.me_last_pgno + 1 > used)
    result.free_bytes = (info.me_last_pgno + 1 - used) * page_size;
  return result;
}

std::uint64_t lmdb_env::device_free() const noexcept {
  return free_on_device(path_.c_str());
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
