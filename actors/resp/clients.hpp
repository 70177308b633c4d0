/// All connections of all I/O threads, for CLIENT LIST, CLIENT KILL and the
/// limit on connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace terrace::resp {

/// What others may know of a connection. The atomics are written by its I/O
/// thread; the names are guarded by the registry.
struct client_info {
  std::uint64_t id = 0;
  int fd = -1;
  std::string address; ///< host:port of the client
  std::string local;   ///< host:port it connected to
  std::int64_t since_ms = 0;
  std::string name;
  std::string library;
  std::string library_version;
  std::atomic<std::int64_t> last_ms{0}; ///< when bytes came last
  std::atomic<std::uint32_t> tenant{0};
  std::atomic<std::uint32_t> protocol{2};
  std::atomic<std::uint64_t> input_bytes{0};  ///< waiting to be understood
  std::atomic<std::uint64_t> output_bytes{0}; ///< waiting to be sent
  std::atomic<const char*> last_command{"NULL"};
  std::atomic<bool> killed{false};
};

using client_ptr = std::shared_ptr<client_info>;

/// Thread-safe.
class client_registry {
public:
  /// Registers `x` and numbers it. Numbers are never used twice.
  void add(const client_ptr& x);

  /// To be called before the descriptor is closed, because `kill` uses it.
  void remove(std::uint64_t id);

  std::size_t size() const noexcept {
    return size_.load(std::memory_order_relaxed);
  }

  void rename(client_info& x, std::string name);

  std::string name_of(const client_info& x) const;

  void library(client_info& x, std::string_view field, std::string value);

  /// The lines of CLIENT LIST for the connections that `wanted` takes; it is
  /// called under the registry's lock.
  std::string list(std::int64_t now_ms,
                   const std::function<bool(const client_info&)>& wanted) const;

  /// Shuts the connections down that `wanted` takes and marks them as killed;
  /// returns how many. Their I/O threads notice and clean up.
  std::size_t kill(const std::function<bool(const client_info&)>& wanted);

private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, client_ptr> all_;
  std::atomic<std::size_t> size_{0};
  std::uint64_t last_id_ = 0;
};

} // namespace terrace::resp
