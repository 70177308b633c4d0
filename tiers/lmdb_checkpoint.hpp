/// What makes `lmdb_sync::os` safe: a commit that reached the device as a
/// whole, to which the files can be taken back.
///
/// Without syncs, pages reach the device in any order. As long as the machine
/// runs, that does not matter: a process that is killed leaves everything with
/// the system. After a power cut the root may be there and the pages below it
/// not. Hence, now and then, everything is synced, and the root of that commit
/// is kept in a file of its own, together with the boot id of the machine; the
/// pages of that commit are not used again before the next checkpoint (a read
/// transaction holds them). Who opens the files after another boot puts the
/// kept root back in place. A clean end removes the file.
///
/// Source: lmdb.h 0.9.24 on MDB_NOSYNC; the layout of a root page is that of
/// LMDB's data version 1 on 64-bit machines; proc(5) on boot_id.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace terrace {

/// Brings a directory's names to the device; quietly does nothing where that
/// cannot be done.
void lmdb_sync_directory(const std::string& path) noexcept;

/// Brings the files in directory `path` back to their checkpoint, if there is
/// one and the machine has been down since, and what is in them to the device.
/// To be called before they are opened. Returns whether anything may have been
/// lost. If the checkpoint cannot be read, data.mdb is removed: nobody can tell
/// what is in it. Throws `lmdb_fault`.
bool lmdb_restore_checkpoint(const std::string& path);

/// A root page.
using lmdb_root = std::array<char, 4096>;

/// The root of commit `commit`; none if later commits have taken its place.
/// Throws `lmdb_fault`.
std::optional<lmdb_root> lmdb_read_root(const std::string& path,
                                        std::uint64_t commit);

/// Keeps the root of a commit that has been synced, and all before it. Throws
/// `lmdb_fault`.
void lmdb_save_checkpoint(const std::string& path, const lmdb_root& root);

/// The files are synced, and nobody changes them any more without syncing.
void lmdb_drop_checkpoint(const std::string& path) noexcept;

} // namespace terrace
