/// The environment of LMDB that the disk tier lives in.
///
/// Files in the directory: data.mdb and lock.mdb are LMDB's, `terrace.lock`
/// keeps a second node out (LMDB itself would let it in), `reserve` is space
/// for deleting something when the disk is full, which takes new pages first,
/// and `checkpoint` is explained in lmdb_checkpoint.hpp.
///
/// Bound: the map ends at the bound, so that no commit can take the files past
/// it. What is free inside the file can be given back to the device
/// (`give_back`), since LMDB itself never makes its file smaller.
///
/// The environment never writes through the memory map. Unless `lmdb_sync::os`
/// is chosen it syncs data and then the root page at each commit, so that no
/// crash can leave a torn tree. Pages that cannot be read or make no sense do
/// not end the process (lmdb_guard.hpp, lmdb_page.hpp). A limit that comes with
/// LMDB: pages carry no checksum, so damage that leaves a page in form is
/// noticed only in records, which have checksums of their own.
///
/// Source: lmdb.h 0.9.24; fallocate(2), lseek(2).
#pragma once

#include "tiers/lmdb_guard.hpp"
#include "tiers/lmdb_page.hpp"
#include "tiers/lmdb_txn.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terrace {

/// The tables; lmdb_rows.hpp, lmdb_dictionaries.hpp and lmdb_journal.hpp define
/// their rows.
struct lmdb_tables {
  lmdb_table data = 0;
  lmdb_table chunks = 0;
  lmdb_table expiry = 0;
  lmdb_table tags = 0;
  lmdb_table totals = 0;
  lmdb_table fences = 0;
  lmdb_table meta = 0;
  lmdb_table dictionaries = 0;
  lmdb_table uses = 0;
  lmdb_table journal[2] = {0, 0};
};

/// Who brings commits to the device.
enum class lmdb_sync {
  commit, ///< each commit syncs
  os,     ///< the operating system, when it likes, and `checkpoint`
};

/// A read transaction, used again and again.
struct lmdb_reader {
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  MDB_txn* txn = nullptr;
  /// The commit that it sees. 0: not known yet; `none`: it sees none.
  std::atomic<std::uint64_t> commit{none};
};

/// An open environment. Thread-safe, except that one thread at a time writes,
/// and only that one may call `start_anew`, `give_back` and `checkpoint`.
class lmdb_env {
public:
  /// Sizes for metrics, in bytes.
  struct figures {
    std::uint64_t map = 0;
    std::uint64_t file = 0;   ///< length of the file
    std::uint64_t device = 0; ///< what all files take on the device
    std::uint64_t free = 0;   ///< inside the file, ready for use
  };

  /// Opens the environment in directory `path`, which is created if absent.
  /// `max_size`: bound on the bytes of all files. Throws `lmdb_fault`: `in_use`
  /// (another process holds it), `read_only` (no permission), `corrupt`
  /// (damaged or truncated file), `unsupported_format` (written by another
  /// LMDB), `no_space`, `io_failure`.
  lmdb_env(const std::string& path, std::uint64_t max_size, lmdb_sync sync);

  lmdb_env(const lmdb_env&) = delete;

  lmdb_env& operator=(const lmdb_env&) = delete;

  ~lmdb_env();

  const lmdb_tables& tables() const noexcept {
    return tables_;
  }

  MDB_env* native() const noexcept {
    return env_;
  }

  figures stats();

  /// Bytes of the pages that a transaction's tables take, free ones left out.
  std::uint64_t used(MDB_txn* txn) const;

  /// Why the files are of no use any more: a page is damaged or could not be
  /// read, or they were removed. `none` while they are.
  failure lost() const;

  /// The writer has found the files to be damaged.
  void condemn(failure why) {
    damage_ = std::move(why);
  }

  /// Calls LMDB to change something. If it crashes there, what it held in
  /// memory is of no use any more: the files are condemned, and nobody may
  /// write until they are started anew.
  template <class F>
  int change(F f) {
    auto rc = lmdb_guarded(f);
    if (rc == lmdb_crashed) {
      abandoned_ = true;
      condemn({errc::corrupt, lmdb_crash()});
    }
    return rc;
  }

  /// Whether a change crashed.
  bool abandoned() const noexcept {
    return abandoned_;
  }

  /// Those of data.mdb.
  lmdb_pages& pages() noexcept {
    return *pages_;
  }

  /// Replaces the files by empty ones, in a new directory if need be. Waits
  /// until nobody reads; who wants to read meanwhile waits too. Throws as the
  /// constructor does; then every further use throws, and `start_anew` may be
  /// tried again. After a change that crashed, two file descriptors and what
  /// LMDB had in memory stay behind.
  void start_anew();

  /// Gives pages that have been free for some commits back to the device, the
  /// last ones of the file first, but for `keep` bytes of them. At most
  /// `budget` bytes at once. Returns the bytes given back; 0 means that there
  /// are no more, or that the file system cannot do it.
  std::uint64_t give_back(std::uint64_t keep, std::uint64_t budget);

  /// With `lmdb_sync::os`: brings all commits to the device, and frees what was
  /// kept for the last checkpoint. Otherwise nothing. Any thread may call it;
  /// commits go on meanwhile.
  void checkpoint();

  /// With `lmdb_sync::os`: makes sure that there is a checkpoint.
  void need_checkpoint();

  /// Whether the files were taken back to their checkpoint when they were
  /// opened.
  bool restored() const noexcept {
    return restored_;
  }

  /// Bytes that the device has left, zero if that is unknown.
  std::uint64_t device_free() const noexcept;

  /// Makes sure that the reserve exists; quietly leaves it out on a full disk.
  void keep_reserve() noexcept;

  /// Gives the reserve's space back to the device.
  void release_reserve() noexcept;

private:
  friend class lmdb_read;

  void open();

  void lock_directory();

  void open_tables();

  void check_length();

  bool check_core();

  void check_tables();

  std::vector<std::uint64_t> free_pages(std::uint64_t up_to);

  std::uint64_t oldest_reader();

  lmdb_reader& take_reader();

  lmdb_reader& wait_for_reader(lmdb_reader* given);

  void give_reader(lmdb_reader& x) noexcept;

  void collect_readers();

  void close() noexcept;

  void leave_behind() noexcept;

  std::string path_;
  std::uint64_t max_size_;
  lmdb_sync sync_;
  bool restored_ = false;
  std::atomic<bool> abandoned_{false};
  failure damage_; ///< of the writer
  int lock_fd_ = -1;
  MDB_env* env_ = nullptr;
  std::mutex checkpoint_mutex_;   ///< guards the next one
  lmdb_reader* pinned_ = nullptr; ///< holds the pages of the checkpoint
  lmdb_tables tables_;
  std::optional<lmdb_guard> guard_;      ///< of data.mdb
  std::optional<lmdb_guard> lock_guard_; ///< of lock.mdb
  std::optional<lmdb_pages> pages_;
  /// Readers that nobody has taken: a place for each of some threads, where
  /// they need not wait for others, and `idle_` for the rest.
  struct alignas(64) place {
    std::atomic<lmdb_reader*> reader{nullptr};
  };

  static unsigned place_of_thread() noexcept;

  std::array<place, 16> ready_;
  std::atomic<bool> closing_{false}; ///< no reader is given out
  std::mutex mutex_;                 ///< guards the next three
  std::condition_variable changed_;
  std::deque<lmdb_reader> readers_; ///< all
  std::vector<lmdb_reader*> idle_;
};

} // namespace terrace
