/// The dictionaries that records of a disk store were compressed with, kept
/// beside them:
///
///     dictionaries  u32 number -> dictionary::stored
///     uses          u32 number -> u64 records in the tree
///
/// A record is written with a dictionary only when that is on disk, and a
/// dictionary leaves when neither the tree nor what waits for it has a record
/// that needs it, and new records are not written with it.
///
/// For whoever writes; the codec is thread-safe by itself.
#pragma once

#include "tiers/codec.hpp"
#include "tiers/lmdb_env.hpp"

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

namespace terrace {

class lmdb_dictionaries {
public:
  explicit lmdb_dictionaries(codec& coder) : codec_(coder) {
    // nop
  }

  /// Reads what is kept. One that is damaged is left out: its records are
  /// reported as such when they are read.
  void load(lmdb_env& env);

  /// Those that new records should be written with and may not yet.
  std::vector<dictionary_ptr> wanted();

  /// Puts a dictionary into a transaction. `kept` follows when that has been
  /// committed.
  void put(lmdb_write& txn, const lmdb_tables& tables, const dictionary_ptr& x);

  void kept(const dictionary_ptr& x);

  /// Those that no record in the tree needs and that are not written with.
  std::vector<std::uint32_t> unused(lmdb_env& env) const;

  /// Deletes one in a transaction. `dropped` follows when that has been
  /// committed.
  void erase(lmdb_write& txn, const lmdb_tables& tables, std::uint32_t id);

  void dropped(std::uint32_t id);

  /// The files are empty now.
  void clear();

private:
  codec& codec_;
  std::map<std::uint32_t, dictionary_ptr> kept_; ///< by their numbers
};

/// Records that a transaction has written (positive) or deleted, by the number
/// of their dictionary.
using lmdb_uses = std::map<std::uint32_t, std::int64_t>;

void lmdb_save_uses(lmdb_write& txn, const lmdb_tables& tables,
                    const lmdb_uses& changes);

} // namespace terrace
