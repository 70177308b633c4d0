/// The journal of the disk tier: changes in the order of commits, written end
/// to end, so that a commit costs what its bytes cost. The tree is brought up
/// to date later and in large portions, sorted by key.
///
/// Why: a change of a random key in a tree rewrites a whole page of 4 KiB. With
/// a million entries of 100 bytes, commits of 10,000 to 100,000 changes
/// straight into the tree were measured at 75,000 to 150,000 changes a second,
/// whatever their size; the journal took 30,000 in 20 to 50 ms. A merge of
/// 220,000 changes was measured to write 282 MB, 1.3 KB a change, where a
/// change alone writes a page of each table that it concerns.
///
/// There are two journals. One takes new changes while the other is merged; a
/// merged journal is emptied in the same commit as its last changes reach the
/// tree. After a crash both are read back: merging a change twice is harmless,
/// because versions decide.
///
/// A journal is a byte stream cut into rows that share pages, so that the
/// stream never needs a run of free pages:
///
///     u8 kind, u32 size of key, key,
///     kind 0, record:  u32 size, record (codec.hpp)
///     kind 1, removal: u64 version
///
/// Each commit begins with a new row.
#pragma once

#include "tiers/codec.hpp"
#include "tiers/lmdb_env.hpp"
#include "tiers/lmdb_overlay.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace terrace {

/// Appends changes to one of the journals, inside a transaction. Throws
/// `lmdb_fault`.
class lmdb_journal_writer {
public:
  lmdb_journal_writer(lmdb_write& txn, lmdb_table journal);

  void put(std::string_view key, std::string_view encoded);

  void remove(std::string_view key, version_t version);

  /// Writes what is left. Call it once, at the end. Returns the bytes written.
  std::uint64_t finish();

private:
  void head(char kind, std::string_view key);

  void write(std::string_view bytes);

  void flush();

  lmdb_cursor rows_;
  std::uint64_t next_ = 0;
  std::uint64_t written_ = 0;
  std::string row_;
};

/// Reads a journal back, a call of `f` for each change, oldest first. Throws
/// `lmdb_fault` with `corrupt` when the stream cannot be followed; a record
/// that fails its checksum comes as a removal, so that it becomes a miss.
void lmdb_read_journal(lmdb_env& env, lmdb_table journal, const codec& decoder,
                       const std::function<void(lmdb_replay&&)>& f);

} // namespace terrace
