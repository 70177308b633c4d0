#include "tiers/lmdb_txn.hpp"

#include "tiers/lmdb_env.hpp"

#include <lmdb.h>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace terrace {

namespace {

/// A device with less room than this is full.
constexpr std::uint64_t full_below = 1 << 20;

errc classify(int rc) noexcept {
  switch (rc) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: // past what the process may write
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
    case lmdb_crashed:
    // What sound pages cannot lead to:
    case MDB_NOTFOUND:
    case MDB_KEYEXIST:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
      return errc::corrupt;
    case MDB_VERSION_MISMATCH:
      return errc::unsupported_format;
    case MDB_READERS_FULL:
      return errc::overloaded;
    default:
      return errc::io_failure;
  }
}

/// True when found, false when absent; anything else is thrown.
bool found(int rc, const char* what) {
  if (rc == MDB_NOTFOUND)
    return false;
  lmdb_check(rc, what);
  return true;
}

MDB_val to_val(std::string_view x) noexcept {
  return {x.size(), const_cast<char*>(x.data())};
}

std::string_view to_view(const MDB_val& x) noexcept {
  return {static_cast<const char*>(x.mv_data), x.mv_size};
}

/// The object that opened it.
lmdb_env& env_of(MDB_env* env) {
  if (!env)
    throw lmdb_fault{{errc::io_failure, "the files are not open"}};
  return *static_cast<lmdb_env*>(mdb_env_get_userctx(env));
}

} // namespace

// -- errors -------------------------------------------------------------------

void lmdb_fail(int rc, std::string what) {
  what.append(": ").append(rc == lmdb_crashed ? lmdb_crash()
                                              : mdb_strerror(rc));
  throw lmdb_fault{{classify(rc), std::move(what)}, rc == MDB_MAP_FULL};
}

void lmdb_check(int rc, const char* what) {
  if (rc != MDB_SUCCESS)
    lmdb_fail(rc, what);
}

std::uint64_t lmdb_free_on_device(const char* path) noexcept {
  struct statvfs x {};
  if (::statvfs(path, &x) != 0)
    return 0;
  return static_cast<std::uint64_t>(x.f_bavail) * x.f_frsize;
}

std::uint64_t lmdb_thread_writes() noexcept {
  constexpr std::string_view name = "wchar: ";
  auto fd = ::open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  char buf[512];
  auto n = ::read(fd, buf, sizeof(buf));
  ::close(fd);
  std::string_view text{buf, n > 0 ? static_cast<std::size_t>(n) : 0};
  auto at = text.find(name);
  std::uint64_t result = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + name.size(), text.data() + text.size(),
                    result);
  return result;
}

std::string_view lmdb_integer(const std::uint64_t& x) noexcept {
  return {reinterpret_cast<const char*>(&x), sizeof(x)};
}

// -- lmdb_cursor --------------------------------------------------------------

lmdb_cursor::lmdb_cursor(MDB_txn* txn, lmdb_table table)
  : env_(env_of(mdb_txn_env(txn))), txn_(txn), table_(table) {
  auto rc
    = lmdb_guarded([this] { return mdb_cursor_open(txn_, table_, &cursor_); });
  lmdb_check(rc, "mdb_cursor_open");
}

lmdb_cursor::lmdb_cursor(lmdb_read& txn, lmdb_table table)
  : lmdb_cursor(txn.native(), table) {
  // nop
}

lmdb_cursor::~lmdb_cursor() {
  if (!env_.abandoned())
    mdb_cursor_close(cursor_);
}

bool lmdb_cursor::move(std::string_view key, int op) {
  auto k = to_val(key);
  MDB_val v{};
  auto rc = lmdb_guarded([&] {
    return mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(op));
  });
  // On an empty table LMDB answers a move with EINVAL in some states.
  if (rc == EINVAL && op == MDB_NEXT)
    return false;
  auto there = found(rc, "mdb_cursor_get");
  auto& pages = env_.pages();
  pages.check_way(cursor_);
  if (!there) {
    last_size_ = 0;
    return false;
  }
  key_ = to_view(k);
  value_ = to_view(v);
  pages.check(key_);
  pages.check(value_);
  auto sought = op == MDB_NEXT ? to_val({last_, last_size_}) : to_val(key);
  if ((op == MDB_NEXT && last_size_ > 0
       && mdb_cmp(txn_, table_, &k, &sought) <= 0)
      || (op == MDB_SET_RANGE && mdb_cmp(txn_, table_, &k, &sought) < 0))
    throw lmdb_fault{{errc::corrupt, "rows are not in their order"}};
  remember(key_);
  return true;
}

void lmdb_cursor::remember(std::string_view key) noexcept {
  last_size_ = std::min(key.size(), sizeof(last_));
  std::memcpy(last_, key.data(), last_size_);
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

/// False: the key is taken, and the value is that of its row.
bool lmdb_cursor::put(std::string_view key, std::string_view value,
                      unsigned flags) {
  auto k = to_val(key);
  auto v = to_val(value);
  auto rc = env_.change([&] { return mdb_cursor_put(cursor_, &k, &v, flags); });
  if (rc == MDB_KEYEXIST && flags == MDB_NOOVERWRITE) {
    value_ = to_view(v);
    return false;
  }
  lmdb_check(rc, "mdb_cursor_put");
  remember(key);
  return true;
}

bool lmdb_cursor::insert(std::string_view key, std::string_view value) {
  if (find(key))
    return false;
  put(key, value, MDB_NOOVERWRITE);
  return true;
}

void lmdb_cursor::append(std::string_view key, std::string_view value) {
  last();
  put(key, value, MDB_APPEND);
}

void lmdb_cursor::replace(std::string_view key, std::string_view value) {
  check_large();
  put(key, value, MDB_CURRENT);
}

void lmdb_cursor::erase() {
  check_large();
  check_neighbours();
  auto rc = env_.change([this] { return mdb_cursor_del(cursor_, 0); });
  lmdb_check(rc, "mdb_cursor_del");
}

/// Before the pages of the row's value are given back.
void lmdb_cursor::check_large() {
  auto& pages = env_.pages();
  pages.check_way(cursor_);
  if (!pages.is_large(cursor_))
    return;
  MDB_val k{};
  MDB_val v{};
  auto rc = lmdb_guarded([&] {
    auto result = mdb_cursor_get(cursor_, &k, &v, MDB_GET_CURRENT);
    if (result == MDB_SUCCESS && !pages.is_sound_large(to_view(v)))
      result = MDB_CORRUPTED;
    return result;
  });
  lmdb_check(rc, "mdb_cursor_get");
}

/// LMDB joins a page that has become small with one beside it.
void lmdb_cursor::check_neighbours() {
  auto& pages = env_.pages();
  for (unsigned level = 0;; ++level) {
    auto x = pages.neighbour_of(cursor_, level);
    if (!x)
      return;
    if (pages.seen(x->number))
      continue;
    // Where it is, LMDB has to say: a number may mean a page in the map, or
    // one that this transaction made.
    lmdb_cursor there{txn_, table_};
    if (there.find_at_least(x->key) && x->before)
      there.move({}, MDB_PREV);
    pages.mark(x->number);
  }
}

// -- lmdb_write ---------------------------------------------------------------

lmdb_write::lmdb_write(MDB_env* env) : env_(env_of(env)) {
  if (env_.abandoned())
    throw lmdb_fault{env_.lost()}; // its lock is never given back
  lmdb_check(mdb_txn_begin(env, nullptr, 0, &txn_), "mdb_txn_begin");
}

lmdb_write::~lmdb_write() {
  if (txn_ && !env_.abandoned())
    mdb_txn_abort(txn_);
}

void lmdb_write::commit() {
  auto* env = mdb_txn_env(txn_);
  auto* txn = std::exchange(txn_, nullptr); // freed by LMDB in any case
  auto rc = env_.change([txn] { return mdb_txn_commit(txn); });
  // LMDB calls it an I/O error when only a part fits on the device.
  const char* path = nullptr;
  if (rc == EIO && mdb_env_get_path(env, &path) == MDB_SUCCESS
      && lmdb_free_on_device(path) < full_below)
    rc = ENOSPC;
  lmdb_check(rc, "mdb_txn_commit");
}

void lmdb_write::clear(lmdb_table table) {
  auto rc = env_.change([&] { return mdb_drop(txn_, table, 0); });
  lmdb_check(rc, "mdb_drop");
}

// -- lmdb_read ----------------------------------------------------------------

lmdb_read::lmdb_read(lmdb_env& env) : env_(env), reader_(env.take_reader()) {
  // nop
}

lmdb_read::~lmdb_read() {
  env_.give_reader(reader_);
}

MDB_txn* lmdb_read::native() const noexcept {
  return reader_.txn;
}

bool lmdb_read::get(lmdb_table table, std::string_view key,
                    std::string_view& out) {
  auto k = to_val(key);
  MDB_val v{};
  auto rc = lmdb_guarded([&] { return mdb_get(native(), table, &k, &v); });
  if (!found(rc, "mdb_get"))
    return false;
  out = to_view(v);
  env_.pages().check(out);
  return true;
}

} // namespace terrace
