#include "config/option_table.hpp"

#include "config/redis_url.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <type_traits>
#include <utility>

namespace terrace {

namespace {

using names = std::span<const std::string_view>;

constexpr std::string_view tiers[] = {"memory", "redis", "disk"};

constexpr std::string_view redis_modes[] = {"single", "cluster", "sentinel",
                                            "sharded"};

constexpr std::string_view write_modes[] = {"through", "behind"};

constexpr std::string_view policies[]
  = {"auto",     "fifo",   "lru",       "lfu",     "slru",
     "adaptive", "hybrid", "w-tinylfu", "s3-fifo", "sieve"};

constexpr std::string_view durabilities[] = {"interval", "every-commit", "os"};
constexpr std::string_view admissions[] = {"all", "reuse"};

constexpr std::string_view levels[] = {"trace",   "debug", "info",
                                       "warning", "error", "off"};

constexpr std::string_view components[]
  = {"node", "coordinator", "memory",  "redis",     "disk",   "resp",
     "http", "invalidator", "metrics", "backplane", "warming"};

constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr std::int64_t gib = 1024 * mib;
constexpr std::int64_t tib = 1024 * gib;

constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;

// Past this a deadline is a typing error rather than a wish.
constexpr std::int64_t longest_ttl = 3650 * day;

// Redis takes no larger strings, and RESP clients expect none.
constexpr std::int64_t largest_value = 512 * mib;

constexpr std::int64_t longest_path = 4095; // PATH_MAX without the final NUL

// -- conversion between members and option_data -------------------------------

template <class T>
option_data to_data(const T& x) {
  if constexpr (std::is_same_v<T, milliseconds>) {
    return static_cast<std::int64_t>(x.count());
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    // A program may set what no file can say: it stays out of bounds.
    constexpr auto max = std::numeric_limits<std::int64_t>::max();
    return std::in_range<std::int64_t>(x) ? static_cast<std::int64_t>(x) : max;
  } else {
    return x;
  }
}

template <class T>
void from_data(T& x, const option_data& data) {
  if constexpr (std::is_same_v<T, milliseconds>)
    x = milliseconds{std::get<std::int64_t>(data)};
  else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    x = static_cast<T>(std::get<std::int64_t>(data));
  else
    x = std::get<T>(data);
}

template <class T>
constexpr option_kind kind_of() {
  if constexpr (std::is_same_v<T, bool>)
    return option_kind::boolean;
  else if constexpr (std::is_same_v<T, milliseconds>)
    return option_kind::duration;
  else if constexpr (std::is_integral_v<T>)
    return option_kind::integer;
  else if constexpr (std::is_same_v<T, std::string>)
    return option_kind::text;
  else if constexpr (std::is_same_v<T, std::vector<std::string>>)
    return option_kind::list;
  else
    return option_kind::map;
}

// -- makers of table entries --------------------------------------------------

template <auto Table, auto Key>
constexpr option_info member(std::string_view name) {
  using type = std::decay_t<decltype(std::declval<options>().*Table.*Key)>;
  option_info result;
  result.name = name;
  result.kind = kind_of<type>();
  result.get = [](const options& x) { return to_data(x.*Table.*Key); };
  result.set = [](options& x, const option_data& data) {
    from_data(x.*Table.*Key, data);
  };
  return result;
}

// Name and member cannot differ when both come from the same two words.
#define TERRACE_OPTION(table, key)                                             \
  member<&options::table, &decltype(options::table)::key>(#table "." #key)

constexpr option_info flag(option_info x, std::string_view doc) {
  x.doc = doc;
  return x;
}

// Integers, durations and text.
constexpr option_info bounded(option_info x, std::int64_t min, std::int64_t max,
                              std::string_view doc) {
  x.min = min;
  x.max = max;
  x.doc = doc;
  return x;
}

constexpr option_info size(option_info x, std::int64_t min, std::int64_t max,
                           std::string_view doc) {
  x.kind = option_kind::size;
  return bounded(x, min, max, doc);
}

constexpr option_info choice(option_info x, names choices,
                             std::string_view doc) {
  x.choices = choices;
  x.doc = doc;
  return x;
}

constexpr option_info named(option_info x, names keys, names choices,
                            std::string_view doc) {
  x.keys = keys;
  return choice(x, choices, doc);
}

constexpr option_info live(option_info x) {
  x.live = true;
  return x;
}

constexpr option_info secret(option_info x,
                             std::string (*mask)(std::string_view)) {
  x.mask = mask;
  return x;
}

constexpr option_info checked(option_info x, bool (*f)(const option_data&),
                              std::string_view expects) {
  x.condition = f;
  x.expects = expects;
  return x;
}

// -- conditions ---------------------------------------------------------------

bool is_shard_count(const option_data& x) {
  auto n = std::get<std::int64_t>(x);
  return n == 0 || std::has_single_bit(static_cast<std::uint64_t>(n));
}

bool is_budget(const option_data& x) {
  auto n = std::get<std::int64_t>(x);
  return n == 0 || n >= 64 * mib;
}

// Four decimal numbers, each without a leading zero (which some systems read as
// octal), or the one name that needs no resolver.
bool is_bind_address(const option_data& x) {
  std::string_view text = std::get<std::string>(x);
  if (text == "localhost")
    return true;
  for (auto part = 0; part < 4; ++part) {
    auto end = part == 3 ? text.size() : std::min(text.find('.'), text.size());
    unsigned number = 0;
    auto last = text.data() + end;
    auto [ptr, ec] = std::from_chars(text.data(), last, number);
    if (ec != std::errc{} || ptr != last || number > 255
        || (end > 1 && text.front() == '0'))
      return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool are_redis_urls(const option_data& x) {
  auto urls = split_redis_urls(std::get<std::string>(x));
  return std::all_of(urls.begin(), urls.end(), [](std::string_view url) {
    return parse_redis_url(url).has_value();
  });
}

std::string hide_all(std::string_view text) {
  return text.empty() ? "" : "***";
}

constexpr std::string_view bind_expects = "an IPv4 address or \"localhost\"";

// -- the table ----------------------------------------------------------------

constexpr option_info table[] = {
  bounded(TERRACE_OPTION(node, name), 0, 128,
          "Name in logs and events; empty: host name and RESP port."),
  checked(bounded(TERRACE_OPTION(node, shards), 0, 256,
                  "Coordinator and L1 shards; 0: chosen from the cores."),
          is_shard_count, "0 or a power of two up to 256"),
  bounded(TERRACE_OPTION(node, workers), 0, 1024,
          "Threads that run actors; 0: one per core, at least two."),
  bounded(TERRACE_OPTION(node, data_dir), 1, longest_path,
          "Folder for everything a node keeps."),
  live(checked(size(TERRACE_OPTION(node, max_memory), 0, 16 * tib,
                    "Memory of the process; 0: each part has its own bound."),
               is_budget, "0 or a size from \"64MiB\" to \"16TiB\"")),

  choice(TERRACE_OPTION(cache, chain), tiers, "Tiers, fastest first."),
  bounded(TERRACE_OPTION(cache, default_ttl), 0, longest_ttl,
          "Expiry of entries written without one; 0: none."),
  flag(TERRACE_OPTION(cache, promote),
       "Put what a lower tier finds into the tiers above it."),
  size(TERRACE_OPTION(cache, max_value_size), 1, largest_value,
       "Largest value that is accepted at all."),
  size(TERRACE_OPTION(cache, max_key_size), 1, 64 * kib,
       "Largest key that is accepted."),
  bounded(TERRACE_OPTION(cache, tenants), 1, 65536,
          "Number of tenants, chosen with SELECT."),

  flag(TERRACE_OPTION(memory, enabled), "Use L1."),
  live(size(TERRACE_OPTION(memory, max_size), 1 * mib, 16 * tib,
            "Bytes that L1 may hold.")),
  live(bounded(TERRACE_OPTION(memory, max_entries), 0, 1'000'000'000'000,
               "Entries that L1 may hold; 0: bounded by bytes alone.")),
  live(choice(TERRACE_OPTION(memory, policy), policies,
              "Who leaves L1 when it is full.")),
  bounded(TERRACE_OPTION(memory, max_ttl), 0, longest_ttl,
          "Longest stay in L1; 0: as long as the entry lives."),
  size(TERRACE_OPTION(memory, max_value_size), 1, largest_value,
       "Larger values are not kept in L1."),
  bounded(TERRACE_OPTION(memory, sweep_interval), 1, 1 * hour,
          "How often expired entries are swept."),

  flag(TERRACE_OPTION(redis, enabled), "Use L2."),
  choice(TERRACE_OPTION(redis, mode), redis_modes,
         "How several servers work together."),
  secret(checked(bounded(TERRACE_OPTION(redis, url), 1, 16 * kib,
                         "Where Redis is and how to log in."),
                 are_redis_urls,
                 "redis://[[user]:password@]host[:port][/db] or "
                 "unix://path[?db=n] (no TLS: for rediss:// let stunnel "
                 "speak it and give stunnel's own address)"),
         mask_redis_urls),
  bounded(TERRACE_OPTION(redis, master), 1, 256,
          "What the sentinels call the master."),
  bounded(TERRACE_OPTION(redis, prefix), 0, 256,
          "In front of every key in Redis."),
  bounded(TERRACE_OPTION(redis, max_ttl), 0, longest_ttl,
          "Longest expiry given to an entry in Redis; 0: as the entry says."),
  size(TERRACE_OPTION(redis, max_value_size), 1, largest_value,
       "Larger values are not written to Redis."),
  bounded(TERRACE_OPTION(redis, connections), 1, 256,
          "Connections that read; one more writes."),
  bounded(TERRACE_OPTION(redis, connect_timeout), 1, 1 * minute,
          "Time to connect."),
  bounded(TERRACE_OPTION(redis, command_timeout), 1, 1 * minute,
          "Time until Redis has answered."),
  bounded(TERRACE_OPTION(redis, max_batch), 1, 65536,
          "Keys or entries in one pipeline."),
  bounded(TERRACE_OPTION(redis, max_queued), 1, 10'000'000,
          "Requests that may wait for a connection; past it, errors."),
  bounded(TERRACE_OPTION(redis, health_interval), 100, 1 * hour,
          "Check an idle connection this often."),
  bounded(TERRACE_OPTION(redis, breaker_failures), 1, 1000,
          "Failures in a row that open the breaker."),
  bounded(TERRACE_OPTION(redis, breaker_open_for), 10, 1 * hour,
          "Time until the first probe, and between probes."),
  choice(TERRACE_OPTION(redis, write), write_modes,
         "\"through\": a write waits for Redis."),
  bounded(TERRACE_OPTION(redis, lease), 0, 1 * minute,
          "Time after which a node that died no longer keeps others from "
          "loading a key; 0: each node loads for itself."),
  bounded(TERRACE_OPTION(redis, max_missed), 0, 10'000'000,
          "Writes kept for replay while Redis is away."),
  size(TERRACE_OPTION(redis, max_missed_size), 0, 64 * gib,
       "Bytes kept for replay while Redis is away."),

  flag(TERRACE_OPTION(backplane, enabled),
       "Tell other nodes on the same Redis what is changed here."),
  bounded(TERRACE_OPTION(backplane, channel), 1, 256,
          "Where events are published."),
  bounded(TERRACE_OPTION(backplane, log_length), 100, 100'000'000,
          "Events kept for nodes that were away, about."),
  bounded(TERRACE_OPTION(backplane, beat_interval), 10, 1 * minute,
          "Time between two signs of life."),
  bounded(TERRACE_OPTION(backplane, check_interval), 100, 10'000,
          "Time between two looks at the log."),
  bounded(TERRACE_OPTION(backplane, peer_timeout), 1000, 24 * hour,
          "A node silent for this long is taken for gone."),
  flag(TERRACE_OPTION(backplane, tracking),
       "Notice what other programs delete or replace in Redis itself."),

  flag(TERRACE_OPTION(disk, enabled), "Use L3."),
  bounded(TERRACE_OPTION(disk, path), 0, longest_path,
          "Folder of the database; empty: \"disk\" inside node.data_dir."),
  size(TERRACE_OPTION(disk, max_size), 16 * mib, 16 * tib,
       "Bytes that the files take on the device."),
  bounded(TERRACE_OPTION(disk, max_ttl), 0, longest_ttl,
          "Longest stay on disk; 0: as long as the entry lives."),
  size(TERRACE_OPTION(disk, max_value_size), 1, largest_value,
       "Larger values are not kept on disk."),
  choice(TERRACE_OPTION(disk, durability), durabilities,
         "\"every-commit\": a write is acknowledged when synced."),
  choice(TERRACE_OPTION(disk, admission), admissions,
         "\"reuse\": keep what is asked for or written a second time."),
  size(TERRACE_OPTION(disk, write_budget), 0, 1 * tib,
       "Bytes written to the device per second, about; 0: no bound."),
  bounded(TERRACE_OPTION(disk, commit_interval), 1, 1 * minute,
          "Longest time until a write is synced."),
  size(TERRACE_OPTION(disk, commit_size), 4 * kib, 1 * gib,
       "A commit also starts when this much waits."),
  size(TERRACE_OPTION(disk, max_pending_size), 4 * kib, 64 * gib,
       "Most bytes that may wait for a commit."),
  bounded(TERRACE_OPTION(disk, readers), 1, 64, "Threads that read from disk."),
  bounded(TERRACE_OPTION(disk, sweep_interval), 1, 1 * hour,
          "How often expired entries are swept."),
  choice(TERRACE_OPTION(disk, write), write_modes,
         "\"through\": a write waits for the disk tier to accept it."),

  flag(TERRACE_OPTION(compression, enabled),
       "Compress values for Redis and disk."),
  size(TERRACE_OPTION(compression, threshold), 0, largest_value,
       "Smallest value that is compressed."),
  bounded(TERRACE_OPTION(compression, level), 1, 19, "Level of zstd."),
  flag(TERRACE_OPTION(compression, dictionaries),
       "Compress small values with what they have in common."),
  size(TERRACE_OPTION(compression, dictionary_min_size), 1, 16 * kib,
       "Smallest value that is compressed with a dictionary."),
  size(TERRACE_OPTION(compression, dictionary_size), 4 * kib, 256 * kib,
       "Of one dictionary; larger ones save a little more and cost memory."),

  flag(TERRACE_OPTION(warming, restart),
       "Keep the hottest keys of L1, and look them up below after a start."),
  bounded(TERRACE_OPTION(warming, snapshot_interval), 1000, 1 * day,
          "Time between two times of keeping them."),

  flag(TERRACE_OPTION(resp, enabled), "Serve Redis clients."),
  checked(bounded(TERRACE_OPTION(resp, bind), 1, 15, "Address to listen on."),
          is_bind_address, bind_expects),
  bounded(TERRACE_OPTION(resp, port), 1, 65535, "Port to listen on."),
  bounded(TERRACE_OPTION(resp, io_threads), 0, 256,
          "Threads with sockets of their own; 0: chosen from the cores."),
  secret(bounded(TERRACE_OPTION(resp, password), 0, 512,
                 "Needed by AUTH; empty: no password."),
         hide_all),
  bounded(TERRACE_OPTION(resp, max_clients), 1, 1'000'000,
          "Connections at the same time."),
  size(TERRACE_OPTION(resp, max_request_size), 1 * kib, 4 * gib,
       "Most bytes of one request."),
  size(TERRACE_OPTION(resp, output_soft_limit), 1 * kib, 64 * gib,
       "Replies waiting before the client's requests wait, too."),
  size(TERRACE_OPTION(resp, output_hard_limit), 1 * kib, 64 * gib,
       "Replies waiting before the client is disconnected."),
  bounded(TERRACE_OPTION(resp, output_stall), 100, 1 * day,
          "Time without a byte, with replies waiting, before it is cut off."),
  bounded(TERRACE_OPTION(resp, idle_timeout), 0, 30 * day,
          "Disconnect clients that are silent for this long; 0: never."),

  flag(TERRACE_OPTION(http, enabled), "Serve HTTP and metrics."),
  checked(bounded(TERRACE_OPTION(http, bind), 1, 15, "Address to listen on."),
          is_bind_address, bind_expects),
  bounded(TERRACE_OPTION(http, port), 1, 65535, "Port to listen on."),
  bounded(TERRACE_OPTION(http, threads), 1, 256, "Threads that serve HTTP."),
  size(TERRACE_OPTION(http, max_body_size), 1 * kib, 1 * gib,
       "Most bytes of the body of one request."),

  choice(TERRACE_OPTION(log, level), levels, "Level of what is logged."),
  bounded(TERRACE_OPTION(log, file), 0, longest_path,
          "File to log to; empty: standard error."),
  named(TERRACE_OPTION(log, components), components, levels,
        "Level per component."),
};

#undef TERRACE_OPTION

} // namespace

std::span<const option_info> option_table() noexcept {
  return table;
}

const option_info* find_option(std::string_view name) noexcept {
  for (auto& info : table)
    if (info.name == name)
      return &info;
  return nullptr;
}

} // namespace terrace
