/// Every option of a node as plain structs. Defaults stand here and nowhere
/// else; `config/terrace.toml` documents them, and a test compares the two.
/// Sizes are in bytes, durations are chrono values; zero means "off" or "no
/// bound" where the comment says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace terrace {

using std::chrono::milliseconds;

/// [node]
struct node_options {
  /// Name of this node in logs and events; empty: host name and RESP port.
  std::string name;
  /// Coordinator and L1 shards, a power of two; 0: chosen from the cores.
  std::uint32_t shards = 0;
  /// Threads that run actors; 0: one per core, at least two.
  std::uint32_t workers = 0;
  /// Folder for everything a node keeps.
  std::string data_dir = "terrace-data";
  /// Memory of the process, split between its parts, see memory_budget.hpp;
  /// 0: each part has a bound of its own.
  std::uint64_t max_memory = 0;

  friend bool operator==(const node_options&, const node_options&) = default;
};

/// [cache]
struct cache_options {
  /// Tiers from fastest to slowest. A tier left out is not used.
  std::vector<std::string> chain = {"memory", "redis", "disk"};
  /// Expiry of entries written without one; 0: they do not expire.
  milliseconds default_ttl{0};
  /// Put what a lower tier finds into the tiers above it.
  bool promote = true;
  /// Largest value that is accepted at all.
  std::uint64_t max_value_size = 512ull << 20;
  /// Largest key that is accepted.
  std::uint64_t max_key_size = 64ull << 10;
  /// Number of tenants; RESP clients choose one with SELECT.
  std::uint32_t tenants = 16;

  friend bool operator==(const cache_options&, const cache_options&) = default;
};

/// [memory], L1
struct memory_options {
  bool enabled = true;
  std::uint64_t max_size = 256ull << 20;
  /// 0: bounded by bytes alone.
  std::uint64_t max_entries = 0;
  /// Who leaves when it is full: see tiers/policies/policy.hpp.
  std::string policy = "auto";
  /// Longest stay in L1, then the entry is looked up below again; 0: as long as
  /// the entry lives.
  milliseconds max_ttl{0};
  /// Larger values are not kept in L1.
  std::uint64_t max_value_size = 16ull << 20;
  /// How often expired entries are swept.
  milliseconds sweep_interval{100};

  friend bool operator==(const memory_options&, const memory_options&)
    = default;
};

/// [redis], L2
struct redis_options {
  bool enabled = false;
  /// "single", "cluster", "sentinel" or "sharded".
  std::string mode = "single";
  /// redis://[[user]:password@]host[:port][/db] or unix://path[?db=n]; several
  /// servers stand with commas between them.
  std::string url = "redis://127.0.0.1:6379/0";
  /// What the sentinels call the master.
  std::string master = "mymaster";
  /// In front of every key in Redis: {prefix}{tenant}:{key}
  std::string prefix = "terrace:";
  /// Longest expiry given to an entry in Redis; 0: as the entry says.
  milliseconds max_ttl{24 * 3600 * 1000};
  /// Larger values are not written to Redis.
  std::uint64_t max_value_size = 8ull << 20;
  /// Connections that read; one more writes.
  std::uint32_t connections = 2;
  milliseconds connect_timeout{50};
  milliseconds command_timeout{50};
  /// Keys or entries in one pipeline.
  std::uint32_t max_batch = 1024;
  /// Look-ups and writes that may wait for a connection; past it, errors.
  std::uint32_t max_queued = 100000;
  /// Check an idle connection this often.
  milliseconds health_interval{30000};
  /// Failures in a row, timeouts count at once, that open the breaker.
  std::uint32_t breaker_failures = 3;
  /// Time from opening the breaker to the first probe, and between probes.
  milliseconds breaker_open_for{500};
  /// "through": a write waits for Redis. "behind": it does not.
  std::string write = "through";
  /// Of the nodes on one Redis, one at a time loads a key; this long after it
  /// died the next one does. 0: each node loads for itself.
  milliseconds lease{1000};
  /// Writes and deletes kept while Redis is away, then replayed.
  std::uint32_t max_missed = 100000;
  std::uint64_t max_missed_size = 64ull << 20;

  friend bool operator==(const redis_options&, const redis_options&) = default;
};

/// [backplane]: nodes that share a Redis tell each other what they change
struct backplane_options {
  /// Of use only with Redis.
  bool enabled = true;
  /// Where events are published.
  std::string channel = "cache:invalidate";
  /// Events kept for nodes that were away, about.
  std::uint32_t log_length = 100000;
  /// Time between two signs of life; staleness is known to about twice that.
  milliseconds beat_interval{250};
  /// Time between two looks at the log for what the channel lost.
  milliseconds check_interval{5000};
  /// A node that is silent for this long is taken for gone.
  milliseconds peer_timeout{600000};
  /// Whether to notice what other programs change in Redis itself.
  bool tracking = false;

  friend bool operator==(const backplane_options&, const backplane_options&)
    = default;
};

/// [disk], L3
struct disk_options {
  bool enabled = true;
  /// Empty: "disk" inside node.data_dir.
  std::string path;
  /// Bound on the bytes that the files take on the device.
  std::uint64_t max_size = 1ull << 30;
  /// Longest stay on disk; 0: as long as the entry lives.
  milliseconds max_ttl{0};
  std::uint64_t max_value_size = 512ull << 20;
  /// "interval": a write is acknowledged at once and on disk, synced, within
  /// commit_interval, if the device syncs in half of it: commits begin after
  /// the first half. "every-commit": it is acknowledged when synced. "os": the
  /// operating system has it within commit_interval, and syncs when it likes.
  std::string durability = "interval";
  /// "all", or "reuse": only keys that are asked for or written a second time.
  std::string admission = "all";
  /// Bytes written to the device per second, about; 0: no bound.
  std::uint64_t write_budget = 0;
  milliseconds commit_interval{100};
  /// A commit also starts when this much waits.
  std::uint64_t commit_size = 16ull << 20;
  /// Most bytes that may wait for a commit; past it writers wait.
  std::uint64_t max_pending_size = 512ull << 20;
  /// Threads that read from disk.
  std::uint32_t readers = 2;
  milliseconds sweep_interval{1000};
  /// "through": a write waits for the disk tier to accept it. "behind": not.
  std::string write = "through";

  friend bool operator==(const disk_options&, const disk_options&) = default;
};

/// [compression], for Redis and disk
struct compression_options {
  bool enabled = true;
  /// Values of at least this size are compressed.
  std::uint64_t threshold = 1024;
  /// zstd level, 1 to 19.
  std::int32_t level = 3;
  /// Learn from the traffic what values have in common, and compress smaller
  /// ones with that.
  bool dictionaries = true;
  /// Values of at least this size are compressed with a dictionary.
  std::uint64_t dictionary_min_size = 128;
  /// Of one dictionary, in bytes.
  std::uint64_t dictionary_size = 32ull << 10;

  friend bool operator==(const compression_options&, const compression_options&)
    = default;
};

/// [warming]
struct warming_options {
  /// Keep the hottest keys of L1, and look them up below after a start.
  bool restart = true;
  /// Time between two times of keeping them; they are kept at shutdown too.
  milliseconds snapshot_interval{120000};

  friend bool operator==(const warming_options&, const warming_options&)
    = default;
};

/// [resp]
struct resp_options {
  bool enabled = true;
  std::string bind = "127.0.0.1";
  std::uint16_t port = 7379;
  /// Threads with sockets of their own; 0: chosen from the cores.
  std::uint32_t io_threads = 0;
  /// Needed by AUTH; empty: no password.
  std::string password;
  std::uint32_t max_clients = 10000;
  /// Most bytes of one request, arguments included.
  std::uint64_t max_request_size = 512ull << 20;
  /// Replies waiting for a slow client: its requests wait at the soft limit;
  /// at the hard limit, or after the stall time, it is disconnected.
  std::uint64_t output_soft_limit = 1ull << 20;
  std::uint64_t output_hard_limit = 1ull << 30;
  milliseconds output_stall{60000};
  /// Disconnect clients that are silent for this long; 0: never.
  milliseconds idle_timeout{0};

  friend bool operator==(const resp_options&, const resp_options&) = default;
};

/// [http]
struct http_options {
  bool enabled = true;
  std::string bind = "127.0.0.1";
  std::uint16_t port = 7380;
  std::uint32_t threads = 2;
  std::uint64_t max_body_size = 1ull << 20;

  friend bool operator==(const http_options&, const http_options&) = default;
};

/// [log]
struct log_options {
  /// trace, debug, info, warning, error, off
  std::string level = "info";
  /// Empty: standard error.
  std::string file;
  /// Level per component, e.g. { redis = "debug" }. Components: node,
  /// coordinator, memory, redis, disk, resp, http, invalidator, metrics,
  /// backplane, warming.
  std::map<std::string, std::string> components;

  friend bool operator==(const log_options&, const log_options&) = default;
};

/// A whole configuration file.
struct options {
  node_options node;
  cache_options cache;
  memory_options memory;
  redis_options redis;
  backplane_options backplane;
  disk_options disk;
  compression_options compression;
  warming_options warming;
  resp_options resp;
  http_options http;
  log_options log;

  friend bool operator==(const options&, const options&) = default;
};

} // namespace terrace
