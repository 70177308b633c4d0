#include "tiers/lmdb_env.hpp"

#include "tiers/lmdb_checkpoint.hpp"

#include <lmdb.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <tuple>
#include <utility>

namespace terrace {

namespace {

/// The pages that hold the roots; never part of a tree.
constexpr std::uint64_t root_pages = 2;

constexpr MDB_dbi free_table = 0;
constexpr MDB_dbi names_table = 1; ///< of the other tables

/// No tree is that high.
constexpr unsigned highest_tree = 24;

constexpr std::uint64_t largest_reserve = 4 << 20;

/// What locks, the checkpoint and others' small files in the directory may
/// take.
std::uint64_t small_files(std::uint64_t max_size) noexcept {
  return (64 << 10) + max_size / 128;
}

/// Given back at a time: each may take some milliseconds of the file system,
/// and commits wait.
constexpr int most_holes = 8;

/// LMDB cannot do with less.
constexpr std::uint64_t fewest_pages = 256;

/// Without this, LMDB ends the process when it meets a page that cannot be.
void on_broken_page(MDB_env*, const char* text) {
  lmdb_leave_call(text);
}

std::uint64_t map_size(std::uint64_t max_size, std::uint64_t others) noexcept {
  auto room = max_size - std::min(max_size, others);
  return std::max(room / lmdb_page_size, fewest_pages) * lmdb_page_size;
}

struct end_view {
  void operator()(MDB_txn* x) const noexcept {
    mdb_txn_abort(x);
  }
};

/// Looks at the last commit while readers are kept out.
std::unique_ptr<MDB_txn, end_view> begin_view(MDB_env* env) {
  MDB_txn* txn = nullptr;
  lmdb_check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), "mdb_txn_begin");
  return std::unique_ptr<MDB_txn, end_view>{txn};
}

MDB_stat stat_of(MDB_txn* txn, MDB_dbi table) {
  MDB_stat result;
  auto rc = lmdb_guarded([&] { return mdb_stat(txn, table, &result); });
  lmdb_check(rc, "mdb_stat");
  return result;
}

/// A row of the list of free pages: how many there are, and their numbers, the
/// highest first.
bool is_free_list(std::string_view row, std::uint64_t last) noexcept {
  auto at = [row](std::uint64_t i) {
    std::uint64_t result = 0;
    std::memcpy(&result, row.data() + i * sizeof(result), sizeof(result));
    return result;
  };
  auto size = row.size() / sizeof(std::uint64_t);
  if (size == 0 || at(0) >= size)
    return false;
  for (std::uint64_t i = 1, above = last + 1; i <= at(0); ++i) {
    if (at(i) < root_pages || at(i) >= above)
      return false;
    above = at(i);
  }
  return true;
}

/// The reserve is a sixteenth of the bound, but no more than that.
std::uint64_t reserve_size(std::uint64_t max_size) noexcept {
  return std::min(largest_reserve, max_size / 16);
}

} // namespace

// -- life ---------------------------------------------------------------------

lmdb_env::lmdb_env(const std::string& path, std::uint64_t max_size,
                   lmdb_sync sync)
  : path_(path), max_size_(max_size), sync_(sync) {
  try {
    open();
    need_checkpoint();
  } catch (...) {
    close();
    throw;
  }
}

lmdb_env::~lmdb_env() {
  close();
}

void lmdb_env::open() {
  std::error_code ec;
  std::filesystem::create_directories(path_, ec);
  if (ec)
    lmdb_fail(ec.value(), "cannot create directory " + path_);
  lock_directory();
  restored_ = lmdb_restore_checkpoint(path_);
  lmdb_check(mdb_env_create(&env_), "mdb_env_create");
  lmdb_check(mdb_env_set_maxdbs(env_, 16), "mdb_env_set_maxdbs");
  lmdb_check(
    mdb_env_set_mapsize(env_, map_size(max_size_, reserve_size(max_size_)
                                                    + small_files(max_size_))),
    "mdb_env_set_mapsize");
  lmdb_check(mdb_env_set_assert(env_, on_broken_page), "mdb_env_set_assert");
  lmdb_check(mdb_env_set_userctx(env_, this), "mdb_env_set_userctx");
  unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
  if (sync_ == lmdb_sync::os)
    flags |= MDB_NOSYNC;
  auto rc = mdb_env_open(env_, path_.c_str(), flags, 0600);
  if (rc != MDB_SUCCESS)
    lmdb_fail(rc, "cannot open " + path_ + "/data.mdb");
  guard_.emplace(path_ + "/data.mdb");
  lock_guard_.emplace(path_ + "/lock.mdb");
  pages_.emplace(guard_->begin(), guard_->size());
  int dead = 0;
  lmdb_check(mdb_reader_check(env_, &dead), "mdb_reader_check");
  check_length();
  keep_reserve();
  auto fresh = !check_core();
  open_tables();
  if (fresh)
    check_core();
  check_tables();
  if (sync_ != lmdb_sync::os)
    lmdb_drop_checkpoint(path_);
  // LMDB syncs what is in a file, but not that there is one.
  lmdb_sync_directory(path_);
  lmdb_sync_directory(path_ + "/..");
}

/// After a change that crashed, LMDB's memory may be damaged, and its lock is
/// held for ever: nothing of it is touched again, but for what is known to be
/// safe. The lock's map stays, since the system knows of the lock.
void lmdb_env::leave_behind() noexcept {
  int fd = -1;
  if (mdb_env_get_fd(env_, &fd) == MDB_SUCCESS)
    ::close(fd);
  if (guard_ && guard_->size() > 0)
    ::munmap(reinterpret_cast<void*>(guard_->begin()), guard_->size());
  for (auto& x : readers_)
    x.txn = nullptr;
  pinned_ = nullptr;
  env_ = nullptr;
}

void lmdb_env::close() noexcept {
  if (abandoned_.exchange(false))
    leave_behind();
  damage_ = {};
  auto has_checkpoint = std::exchange(pinned_, nullptr) != nullptr;
  for (auto& x : ready_)
    x.reader = nullptr;
  for (auto& x : readers_)
    if (x.txn)
      mdb_txn_abort(x.txn);
  idle_.clear();
  readers_.clear();
  if (has_checkpoint && mdb_env_sync(env_, 1) == MDB_SUCCESS)
    lmdb_drop_checkpoint(path_);
  guard_.reset();
  lock_guard_.reset();
  if (env_)
    mdb_env_close(env_);
  env_ = nullptr;
  tables_ = {};
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
    auto rc = change([&] {
      return mdb_dbi_open(txn.native(), name, flags | MDB_CREATE, &result);
    });
    lmdb_check(rc, "mdb_dbi_open");
    return result;
  };
  lmdb_tables all;
  all.data = open("data", 0);
  all.chunks = open("chunks", MDB_INTEGERKEY);
  all.expiry = open("expiry", 0);
  all.tags = open("tags", 0);
  all.totals = open("totals", 0);
  all.fences = open("fences", 0);
  all.meta = open("meta", 0);
  all.dictionaries = open("dictionaries", 0);
  all.uses = open("uses", 0);
  all.journal[0] = open("journal0", MDB_INTEGERKEY);
  all.journal[1] = open("journal1", MDB_INTEGERKEY);
  txn.commit();
  tables_ = all;
}

failure lmdb_env::lost() const {
  if (!env_)
    return {errc::io_failure, "the files could not be opened anew"};
  if (damage_)
    return damage_;
  if (guard_->hit() || lock_guard_->hit())
    return {errc::corrupt, path_ + ": a page could not be read"};
  struct stat there {};
  struct stat ours {};
  if (::fstat(lock_fd_, &ours) == 0
      && (::stat((path_ + "/terrace.lock").c_str(), &there) != 0
          || there.st_ino != ours.st_ino || there.st_dev != ours.st_dev))
    return {errc::io_failure, path_ + " has been removed"};
  if (::stat((path_ + "/data.mdb").c_str(), &there) != 0)
    return {errc::io_failure, path_ + "/data.mdb has been removed"};
  return {};
}

void lmdb_env::start_anew() {
  {
    std::lock_guard turn{checkpoint_mutex_};
    if (auto* last = std::exchange(pinned_, nullptr); last)
      give_reader(*last);
  }
  {
    std::unique_lock lock{mutex_};
    closing_ = true;
    for (;;) {
      collect_readers();
      if (idle_.size() == readers_.size())
        break;
      // Who gives one back just now may have missed that.
      changed_.wait_for(lock, std::chrono::milliseconds{1});
    }
  }
  // What is left behind keeps the file.
  if (int fd = -1; abandoned_ && mdb_env_get_fd(env_, &fd) == MDB_SUCCESS)
    std::ignore = ::ftruncate(fd, 0);
  close();
  for (auto* name : {"/data.mdb", "/lock.mdb", "/checkpoint"})
    ::unlink((path_ + name).c_str());
  failure why;
  try {
    open();
  } catch (const lmdb_fault& x) {
    close();
    why = x.why;
  }
  {
    std::lock_guard lock{mutex_};
    closing_ = false;
  }
  changed_.notify_all();
  if (why)
    throw lmdb_fault{why};
}

void lmdb_env::checkpoint() {
  if (sync_ != lmdb_sync::os)
    return;
  std::lock_guard turn{checkpoint_mutex_};
  auto* reader = &take_reader();
  try {
    auto root = lmdb_read_root(path_, reader->commit);
    while (!root) {
      // Two commits came in between.
      give_reader(*std::exchange(reader, nullptr));
      reader = &take_reader();
      root = lmdb_read_root(path_, reader->commit);
    }
    lmdb_check(mdb_env_sync(env_, 1), "mdb_env_sync");
    lmdb_save_checkpoint(path_, *root);
  } catch (...) {
    if (reader)
      give_reader(*reader);
    throw;
  }
  if (auto* last = std::exchange(pinned_, reader); last)
    give_reader(*last);
}

void lmdb_env::need_checkpoint() {
  if (sync_ != lmdb_sync::os)
    return;
  {
    std::lock_guard turn{checkpoint_mutex_};
    if (pinned_)
      return;
  }
  checkpoint();
}

// -- reading ------------------------------------------------------------------

unsigned lmdb_env::place_of_thread() noexcept {
  static std::atomic<unsigned> next{0};
  static thread_local const unsigned result
    = next.fetch_add(1, std::memory_order_relaxed);
  return result % std::tuple_size_v<decltype(ready_)>;
}

lmdb_reader& lmdb_env::take_reader() {
  auto* ready = ready_[place_of_thread()].reader.exchange(nullptr);
  auto& result = !ready || closing_ ? wait_for_reader(ready) : *ready;
  result.commit.store(0, std::memory_order_relaxed);
  auto rc = result.txn ? mdb_txn_renew(result.txn)
                       : mdb_txn_begin(env_, nullptr, MDB_RDONLY, &result.txn);
  if (rc != MDB_SUCCESS) {
    give_reader(result);
    lmdb_fail(rc, "cannot begin to read");
  }
  result.commit.store(mdb_txn_id(result.txn), std::memory_order_release);
  return result;
}

/// Gives `given` back, if there is one, and takes one when that is possible.
lmdb_reader& lmdb_env::wait_for_reader(lmdb_reader* given) {
  std::unique_lock lock{mutex_};
  if (given) {
    idle_.push_back(given);
    changed_.notify_all();
  }
  changed_.wait(lock, [this] { return !closing_; });
  if (!env_)
    throw lmdb_fault{lost()};
  if (idle_.empty()) {
    idle_.reserve(readers_.size() + 1);
    return readers_.emplace_back();
  }
  auto* result = idle_.back();
  idle_.pop_back();
  return *result;
}

void lmdb_env::give_reader(lmdb_reader& x) noexcept {
  if (x.txn)
    mdb_txn_reset(x.txn);
  x.commit.store(lmdb_reader::none, std::memory_order_relaxed);
  lmdb_reader* nobody = nullptr;
  if (!closing_
      && ready_[place_of_thread()].reader.compare_exchange_strong(nobody, &x))
    return;
  {
    std::lock_guard lock{mutex_};
    idle_.push_back(&x); // room was made when it was taken
  }
  if (closing_)
    changed_.notify_all();
}

/// Moves readers from their places to `idle_`.
void lmdb_env::collect_readers() {
  for (auto& x : ready_)
    if (auto* reader = x.reader.exchange(nullptr))
      idle_.push_back(reader);
}

std::uint64_t lmdb_env::oldest_reader() {
  std::lock_guard lock{mutex_};
  auto result = lmdb_reader::none;
  for (auto& x : readers_)
    result = std::min(result, x.commit.load(std::memory_order_acquire));
  return result;
}

// -- files --------------------------------------------------------------------

/// Pages that LMDB allocated, but never had to write, may be missing from a
/// sound file: they are all listed as free. The file is brought to its full
/// length, so that looking at that list is safe.
void lmdb_env::check_length() {
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  auto file = path_ + "/data.mdb";
  struct stat now {};
  if (::stat(file.c_str(), &now) != 0)
    lmdb_fail(errno, "cannot read " + file);
  auto length = static_cast<std::uint64_t>(now.st_size);
  auto present = length / lmdb_page_size;
  auto expected = info.me_last_pgno + 1;
  if (present >= expected)
    return;
  if (::truncate(file.c_str(), static_cast<off_t>(expected * lmdb_page_size)))
    lmdb_fail(errno, "cannot extend " + file);
  std::uint64_t missing_free = 0;
  try {
    auto free = free_pages(lmdb_reader::none);
    missing_free = static_cast<std::uint64_t>(
      std::count_if(free.begin(), free.end(),
                    [&](auto x) { return x >= present && x < expected; }));
  } catch (const lmdb_fault&) {
    // The list itself is damaged: nothing of it counts.
  }
  if (missing_free == expected - present)
    return;
  if (::truncate(file.c_str(), static_cast<off_t>(length)))
    lmdb_fail(errno, "cannot restore " + file);
  throw lmdb_fault{{errc::corrupt, file + " is truncated"}};
}

/// LMDB changes these tables without a cursor of ours: all of their pages are
/// looked at, and what stands in the list of free pages. False: there are no
/// tables yet.
bool lmdb_env::check_core() {
  auto txn = begin_view(env_);
  MDB_dbi opened = 0; // LMDB learns how its keys compare
  lmdb_check(mdb_dbi_open(txn.get(), nullptr, 0, &opened), "mdb_dbi_open");
  lmdb_cursor names{txn.get(), names_table};
  if (stat_of(txn.get(), names_table).ms_depth == 0)
    return false;
  if (!names.first())
    throw lmdb_fault{{errc::corrupt, "the list of tables is damaged"}};
  pages_->begin_checking(names.cursor_, txn.get(), names_table);
  for (auto more = names.first(); more; more = names.next()) {
    // `move` looks at the pages
  }
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  lmdb_cursor rows{txn.get(), free_table};
  for (auto more = rows.first(); more; more = rows.next())
    if (!is_free_list(rows.value(), info.me_last_pgno))
      throw lmdb_fault{{errc::corrupt, "the list of free pages is damaged"}};
  return true;
}

/// LMDB keeps figures of each table, and goes by the height of the tree.
void lmdb_env::check_tables() {
  auto txn = begin_view(env_);
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  auto& x = tables_;
  for (auto table :
       {free_table, names_table, x.data, x.chunks, x.expiry, x.tags, x.totals,
        x.fences, x.meta, x.dictionaries, x.uses, x.journal[0], x.journal[1]}) {
    auto y = stat_of(txn.get(), table);
    if (y.ms_depth > highest_tree || y.ms_branch_pages > info.me_last_pgno
        || y.ms_leaf_pages > info.me_last_pgno
        || y.ms_overflow_pages > info.me_last_pgno)
      throw lmdb_fault{{errc::corrupt, "the figures of a table are damaged"}};
  }
}

/// Pages that have been free since commit `up_to` or longer, in the order of
/// the file.
std::vector<std::uint64_t> lmdb_env::free_pages(std::uint64_t up_to) {
  std::vector<std::uint64_t> result;
  lmdb_read txn{*this};
  lmdb_cursor rows{txn, free_table};
  for (auto more = rows.first(); more; more = rows.next()) {
    // A row is the commit that freed the pages, and a length followed by that
    // many page numbers.
    std::uint64_t commit = 0;
    std::memcpy(&commit, rows.key().data(),
                std::min(rows.key().size(), sizeof(commit)));
    if (commit > up_to)
      break;
    auto bytes = rows.value();
    constexpr auto step = sizeof(std::uint64_t);
    for (auto i = step; i + step <= bytes.size(); i += step) {
      std::uint64_t page = 0;
      std::memcpy(&page, bytes.data() + i, step);
      result.push_back(page);
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::uint64_t lmdb_env::give_back(std::uint64_t keep, std::uint64_t budget) {
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  // Neither of the two roots, nor a reader, may reach what is given back.
  auto oldest = oldest_reader();
  if (oldest == 0 || info.me_last_txnid < 2)
    return 0;
  auto free
    = free_pages(std::min<std::uint64_t>(oldest, info.me_last_txnid - 1));
  auto kept = static_cast<std::size_t>(
    std::min<std::uint64_t>(free.size(), keep / lmdb_page_size));
  auto fd = ::open((path_ + "/data.mdb").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return 0;
  std::uint64_t result = 0;
  auto holes = 0;
  for (auto end = free.size();
       end > kept && result < budget && holes < most_holes;) {
    auto begin = end - 1; // a run of neighbours
    while (begin > kept && free[begin - 1] + 1 == free[begin])
      --begin;
    auto from = static_cast<off_t>(free[begin] * lmdb_page_size);
    auto to = static_cast<off_t>((free[end - 1] + 1) * lmdb_page_size);
    end = begin;
    auto data = ::lseek(fd, from, SEEK_DATA);
    if (data < 0 || data >= to)
      continue; // nothing is there any more
    if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
                    to - from)
        != 0)
      break;
    ++holes;
    result += static_cast<std::uint64_t>(to - data);
  }
  ::close(fd);
  return result;
}

lmdb_env::figures lmdb_env::stats() {
  figures result;
  lmdb_read txn{*this};
  MDB_envinfo info;
  lmdb_check(mdb_env_info(env_, &info), "mdb_env_info");
  result.map = info.me_mapsize;
  for (auto* name : {"/data.mdb", "/lock.mdb", "/reserve", "/checkpoint"}) {
    struct stat file {};
    if (::stat((path_ + name).c_str(), &file) != 0)
      continue;
    result.device += static_cast<std::uint64_t>(file.st_blocks) * 512;
    if (result.file == 0)
      result.file = static_cast<std::uint64_t>(file.st_size);
  }
  auto all = (info.me_last_pgno + 1) * lmdb_page_size;
  result.free = all - std::min(all, used(txn.native()));
  return result;
}

std::uint64_t lmdb_env::used(MDB_txn* txn) const {
  std::uint64_t pages = root_pages;
  auto& x = tables_;
  for (auto table :
       {free_table, names_table, x.data, x.chunks, x.expiry, x.tags, x.totals,
        x.fences, x.meta, x.dictionaries, x.uses, x.journal[0], x.journal[1]}) {
    auto stat = stat_of(txn, table);
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  }
  return pages * lmdb_page_size;
}

std::uint64_t lmdb_env::device_free() const noexcept {
  return lmdb_free_on_device(path_.c_str());
}

void lmdb_env::keep_reserve() noexcept {
  auto file = path_ + "/reserve";
  auto fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  auto size = static_cast<off_t>(reserve_size(max_size_));
  auto ok = ::posix_fallocate(fd, 0, size) == 0 && ::ftruncate(fd, size) == 0;
  ::close(fd);
  if (!ok)
    release_reserve();
}

void lmdb_env::release_reserve() noexcept {
  ::unlink((path_ + "/reserve").c_str());
}

} // namespace terrace
