/// Which new keys the disk takes, so that what is used once does not wear it.
///
/// With "reuse", once the disk is full, a key is taken when it comes a second
/// time: when it was refused before, and fewer others have been since than fit
/// on the disk, about. On recorded traces behind an L1 this wrote a fifth to a
/// tenth of what taking everything writes, at a hit ratio that was 0.00 to 0.05
/// better (`terrace-bench disk-policy`, full-reuse).
///
/// A write budget is a bucket that holds the bytes of ten seconds. Below half
/// of it new keys have to prove reuse; when it is empty none is taken.
///
/// Thread-safe; figures of keys that collide may be lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace terrace {

class lmdb_admission {
public:
  /// `reuse`: as above. `budget`: bytes per second, 0: no bound. `entries`: how
  /// many refused keys are remembered, about.
  lmdb_admission(bool reuse, std::uint64_t budget, std::uint64_t entries);

  /// False if everything is taken anyway.
  bool selects() const noexcept {
    return reuse_ || budget_ != 0;
  }

  /// Whether a key that may be new is taken. `full`: entries leave to make
  /// room.
  bool admit(std::uint64_t hash, bool full, std::int64_t now_ms) noexcept;

  /// So much has been written to the device.
  void wrote(std::uint64_t bytes) noexcept;

private:
  void refill(std::int64_t now_ms) noexcept;

  bool seen(std::uint64_t hash) noexcept;

  const bool reuse_;
  const std::uint64_t budget_;
  std::atomic<std::int64_t> level_; ///< bytes in the bucket
  std::atomic<std::int64_t> refilled_ms_{0};
  unsigned bits_ = 0;
  std::unique_ptr<std::atomic<std::uint32_t>[]> refused_; ///< by hash
};

} // namespace terrace
