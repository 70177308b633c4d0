#include "tiers/lmdb_checkpoint.hpp"

#include "tiers/lmdb_env.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace terrace {

namespace {

using page = std::array<char, lmdb_page_size>;

/// Places in a root page.
constexpr std::size_t number_at = 0;   ///< u64, 0 or 1
constexpr std::size_t magic_at = 16;   ///< u32
constexpr std::size_t commit_at = 144; ///< u64

constexpr std::uint32_t root_magic = 0xBEEFC0DE;

/// The file, written as it is.
struct kept_root {
  char magic[8] = {'T', 'R', 'C', 'H', 'E', 'C', 'K', '1'};
  char boot[40] = {};
  page root = {};
  std::uint64_t checksum = 0; ///< XXH3-64 of what stands before
};

std::uint64_t checksum_of(const kept_root& x) noexcept {
  return XXH3_64bits(&x, offsetof(kept_root, checksum));
}

/// A file descriptor that closes itself.
class file {
public:
  file(const std::string& path, int flags)
    : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    // nop
  }

  file(const file&) = delete;

  file& operator=(const file&) = delete;

  ~file() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  explicit operator bool() const noexcept {
    return fd_ >= 0;
  }

  bool read(void* to, std::size_t n, off_t at) const noexcept {
    return ::pread(fd_, to, n, at) == static_cast<ssize_t>(n);
  }

  bool write(const void* from, std::size_t n, off_t at) const noexcept {
    return ::pwrite(fd_, from, n, at) == static_cast<ssize_t>(n);
  }

  bool sync() const noexcept {
    return ::fsync(fd_) == 0;
  }

private:
  int fd_;
};

template <class T>
T load(const page& x, std::size_t at) noexcept {
  T result;
  std::memcpy(&result, x.data() + at, sizeof(T));
  return result;
}

template <class T>
void save(page& x, std::size_t at, T value) noexcept {
  std::memcpy(x.data() + at, &value, sizeof(T));
}

/// Names the time since the machine was started; empty if nobody knows.
void read_boot_id(char (&out)[40]) noexcept {
  std::memset(out, 0, sizeof(out));
  file in{"/proc/sys/kernel/random/boot_id", O_RDONLY};
  if (!in || !in.read(out, 36, 0))
    std::memset(out, 0, sizeof(out));
}

std::string name_of(const std::string& path) {
  return path + "/checkpoint";
}

} // namespace

void lmdb_sync_directory(const std::string& path) noexcept {
  file directory{path, O_RDONLY | O_DIRECTORY};
  if (directory)
    directory.sync();
}

bool lmdb_restore_checkpoint(const std::string& path) {
  file in{name_of(path), O_RDONLY};
  if (!in)
    return false;
  auto data_path = path + "/data.mdb";
  kept_root kept;
  kept_root fresh;
  read_boot_id(fresh.boot);
  auto whole = in.read(&kept, sizeof(kept), 0)
               && std::memcmp(kept.magic, fresh.magic, sizeof(kept.magic)) == 0
               && kept.checksum == checksum_of(kept)
               && load<std::uint32_t>(kept.root, magic_at) == root_magic;
  if (!whole && ::unlink(data_path.c_str()) != 0 && errno != ENOENT)
    lmdb_fail(errno, "cannot remove " + data_path);
  file out{data_path, O_RDWR};
  if (!out && errno != ENOENT)
    lmdb_fail(errno, "cannot open " + data_path);
  if (!out) {
    // Lest it is taken for that of the next data.mdb.
    if (::unlink(name_of(path).c_str()) != 0)
      lmdb_fail(errno, "cannot remove " + name_of(path));
    lmdb_sync_directory(path);
    return true;
  }
  if (kept.boot[0] != '\0'
      && std::memcmp(kept.boot, fresh.boot, sizeof(kept.boot)) == 0) {
    if (!out.sync())
      lmdb_fail(errno, "cannot sync " + data_path);
    return false;
  }
  // The other root gets the same tree under the number of the commit before,
  // so that LMDB takes this one and writes its next root over that.
  auto commit = load<std::uint64_t>(kept.root, commit_at);
  for (auto number : {(commit + 1) & 1, commit & 1}) {
    auto root = kept.root;
    save<std::uint64_t>(root, number_at, number);
    save<std::uint64_t>(root, commit_at,
                        number == (commit & 1) ? commit : commit - 1);
    if (!out.write(root.data(), root.size(),
                   static_cast<off_t>(number * lmdb_page_size)))
      lmdb_fail(errno, "cannot write " + data_path);
  }
  if (!out.sync())
    lmdb_fail(errno, "cannot sync " + data_path);
  return true;
}

std::optional<lmdb_root> lmdb_read_root(const std::string& path,
                                        std::uint64_t commit) {
  auto data_path = path + "/data.mdb";
  lmdb_root result;
  file in{data_path, O_RDONLY};
  if (!in
      || !in.read(result.data(), result.size(),
                  static_cast<off_t>((commit & 1) * lmdb_page_size)))
    lmdb_fail(errno, "cannot read " + data_path);
  if (load<std::uint32_t>(result, magic_at) != root_magic)
    throw lmdb_fault{
      {errc::unsupported_format, data_path + ": a root of another form"}};
  if (load<std::uint64_t>(result, commit_at) != commit)
    return std::nullopt;
  return result;
}

void lmdb_save_checkpoint(const std::string& path, const lmdb_root& root) {
  kept_root kept;
  kept.root = root;
  read_boot_id(kept.boot);
  kept.checksum = checksum_of(kept);
  auto name = name_of(path);
  auto fresh = name + ".new";
  {
    file out{fresh, O_RDWR | O_CREAT | O_TRUNC};
    if (!out || !out.write(&kept, sizeof(kept), 0) || !out.sync())
      lmdb_fail(errno, "cannot write " + fresh);
  }
  if (::rename(fresh.c_str(), name.c_str()) != 0)
    lmdb_fail(errno, "cannot write " + name);
  lmdb_sync_directory(path);
}

void lmdb_drop_checkpoint(const std::string& path) noexcept {
  ::unlink((name_of(path) + ".new").c_str());
  if (::unlink(name_of(path).c_str()) == 0)
    lmdb_sync_directory(path);
}

} // namespace terrace
