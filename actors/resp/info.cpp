#include "actors/resp/info.hpp"

#include "actors/resp/config_reply.hpp"

#include "actors/resp/version.hpp"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace terrace::resp {

namespace {

/// Collects lines "name:value" under a heading.
class section {
public:
  section(std::string& out, std::string_view title) : out_(out) {
    if (!out_.empty())
      out_ += "\r\n";
    out_.append("# ").append(title).append("\r\n");
  }

  section& add(std::string_view name, std::string_view value) {
    out_.append(name).append(":").append(value).append("\r\n");
    return *this;
  }

  section& add(std::string_view name, std::uint64_t value) {
    return add(name, std::to_string(value));
  }

private:
  std::string& out_;
};

std::string human_size(std::uint64_t bytes) {
  const char* units[] = {"B", "K", "M", "G", "T"};
  auto x = static_cast<double>(bytes);
  std::size_t i = 0;
  for (; x >= 1024 && i < 4; ++i)
    x /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), i == 0 ? "%.0f%s" : "%.2f%s", x, units[i]);
  return text;
}

std::string seconds_of(const timeval& x) {
  char text[48];
  std::snprintf(text, sizeof(text), "%lld.%06lld",
                static_cast<long long>(x.tv_sec),
                static_cast<long long>(x.tv_usec));
  return text;
}

/// Resident memory of this process; zero where the system does not tell.
std::uint64_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Sum of a counter over the gateways.
std::uint64_t gateway_sum(const node_report& x, const std::string& counter) {
  std::uint64_t result = 0;
  for (auto& actor : x.actors)
    if (actor.name.starts_with("resp."))
      if (auto i = actor.counters.find(counter); i != actor.counters.end())
        result += i->second;
  return result;
}

template <class F>
std::uint64_t tier_sum(const node_report& x, F figure) {
  std::uint64_t result = 0;
  for (auto& tier : x.tiers)
    result += figure(tier);
  return result;
}

void add_server(std::string& out, const info_facts& x) {
  utsname os{};
  ::uname(&os);
  auto uptime = x.report.started_ms == 0
                  ? 0
                  : std::max<std::int64_t>(x.now_ms - x.report.started_ms, 0)
                      / 1000;
  section{out, "Server"}
    .add("redis_version", redis_version)
    .add("terrace_version", terrace_version)
    .add("redis_mode", "standalone")
    .add("os", std::string{os.sysname} + " " + os.release + " " + os.machine)
    .add("arch_bits", sizeof(void*) * 8)
    .add("process_id", static_cast<std::uint64_t>(::getpid()))
    .add("tcp_port", x.port)
    .add("server_time_usec", static_cast<std::uint64_t>(x.now_ms) * 1000)
    .add("uptime_in_seconds", static_cast<std::uint64_t>(uptime))
    .add("uptime_in_days", static_cast<std::uint64_t>(uptime / 86400));
}

void add_clients(std::string& out, const info_facts& x) {
  section{out, "Clients"}
    .add("connected_clients", x.connected_clients)
    .add("cluster_connections", "0")
    .add("maxclients", x.opts.resp.max_clients)
    .add("blocked_clients", "0")
    .add("tracking_clients", "0");
}

void add_memory(std::string& out, const info_facts& x) {
  auto resident = resident_bytes();
  std::uint64_t used = 0, most = 0;
  for (auto& tier : x.report.tiers) {
    if (tier.tier == tier_kind::memory) {
      used += tier.bytes;
      most += tier.capacity_bytes;
    }
  }
  struct sysinfo machine {};
  ::sysinfo(&machine);
  auto total = static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit;
  section{out, "Memory"}
    .add("used_memory", used)
    .add("used_memory_human", human_size(used))
    .add("used_memory_rss", resident)
    .add("used_memory_rss_human", human_size(resident))
    .add("total_system_memory", total)
    .add("total_system_memory_human", human_size(total))
    .add("maxmemory", most)
    .add("maxmemory_human", human_size(most))
    .add("maxmemory_policy", redis_policy(x.opts.memory.policy));
}

void add_persistence(std::string& out, const info_facts&) {
  section{out, "Persistence"}
    .add("loading", "0")
    .add("async_loading", "0")
    .add("rdb_bgsave_in_progress", "0")
    .add("aof_enabled", "0");
}

void add_stats(std::string& out, const info_facts& x) {
  auto& r = x.report;
  section{out, "Stats"}
    .add("total_connections_received", gateway_sum(r, "accepted"))
    .add("total_commands_processed", gateway_sum(r, "commands"))
    .add("total_net_input_bytes", gateway_sum(r, "net_in_bytes"))
    .add("total_net_output_bytes", gateway_sum(r, "net_out_bytes"))
    .add("rejected_connections", gateway_sum(r, "rejected"))
    .add("expired_keys", tier_sum(r, [](auto& t) { return t.expirations; }))
    .add("evicted_keys", tier_sum(r, [](auto& t) { return t.evictions; }))
    .add("keyspace_hits", gateway_sum(r, "request_hits"))
    .add("keyspace_misses", gateway_sum(r, "request_misses"))
    .add("keyspace_errors", gateway_sum(r, "request_errors"))
    .add("pubsub_channels", "0")
    .add("pubsub_patterns", "0")
    .add("total_error_replies", gateway_sum(r, "error_replies"))
    .add("protocol_errors", gateway_sum(r, "protocol_errors"))
    .add("auth_failures", gateway_sum(r, "auth_failures"))
    .add("client_output_buffer_limit_disconnections",
         gateway_sum(r, "output_limit_disconnects"))
    .add("idle_disconnects", gateway_sum(r, "idle_disconnects"));
}

void add_replication(std::string& out, const info_facts&) {
  section{out, "Replication"}
    .add("role", "master")
    .add("connected_slaves", "0")
    .add("master_repl_offset", "0");
}

void add_cpu(std::string& out, const info_facts&) {
  rusage self{}, children{};
  ::getrusage(RUSAGE_SELF, &self);
  ::getrusage(RUSAGE_CHILDREN, &children);
  section{out, "CPU"}
    .add("used_cpu_sys", seconds_of(self.ru_stime))
    .add("used_cpu_user", seconds_of(self.ru_utime))
    .add("used_cpu_sys_children", seconds_of(children.ru_stime))
    .add("used_cpu_user_children", seconds_of(children.ru_utime));
}

void add_tiers(std::string& out, const info_facts& x) {
  section part{out, "Tiers"};
  if (!x.report_problem.empty())
    part.add("report", x.report_problem);
  for (auto& t : x.report.tiers) {
    std::string line = "state=" + t.state;
    auto add = [&](std::string_view name, std::uint64_t value) {
      line.append(",").append(name).append("=").append(std::to_string(value));
    };
    add("lookups", t.lookups);
    add("hits", t.hits);
    add("misses", t.misses);
    add("errors", t.errors);
    add("skipped", t.skipped);
    add("entries", t.entries);
    add("bytes", t.bytes);
    add("capacity_bytes", t.capacity_bytes);
    add("evictions", t.evictions);
    add("expirations", t.expirations);
    if (!t.reason.empty())
      line += ",reason=" + t.reason;
    part.add("tier_" + std::string{to_string(t.tier)}, line);
    line.clear();
    for (auto& [name, value] : t.extra)
      line.append(line.empty() ? "" : ",")
        .append(name)
        .append("=")
        .append(std::to_string(value));
    if (!line.empty())
      part.add("extra_" + std::string{to_string(t.tier)}, line);
    line.clear();
    for (auto& [name, age] : t.ages)
      line.append(line.empty() ? "" : ",")
        .append(name + "_count=" + std::to_string(age.count()))
        .append("," + name + "_p50_ms=" + std::to_string(age.quantile_ns(0.5)))
        .append("," + name
                + "_p99_ms=" + std::to_string(age.quantile_ns(0.99)));
    if (!line.empty())
      part.add("ages_" + std::string{to_string(t.tier)}, line);
  }
}

/// Nothing but the heading if there is no warm restart.
void add_warming(std::string& out, const info_facts& x) {
  section part{out, "Warming"};
  for (auto& actor : x.report.actors)
    if (actor.name == "warm_restart")
      for (auto& [name, value] : actor.counters)
        part.add("warm_restart_" + name, value);
}

void add_keyspace(std::string& out, const info_facts& x) {
  section part{out, "Keyspace"};
  for (auto& [tenant, n] : x.keys)
    part.add("db" + std::to_string(tenant),
             "keys=" + std::to_string(n) + ",expires=0,avg_ttl=0");
}

struct part {
  std::string_view name;
  void (*add)(std::string&, const info_facts&);
};

constexpr part parts[] = {
  {"server", add_server},   {"clients", add_clients},
  {"memory", add_memory},   {"persistence", add_persistence},
  {"stats", add_stats},     {"replication", add_replication},
  {"cpu", add_cpu},         {"tiers", add_tiers},
  {"warming", add_warming}, {"keyspace", add_keyspace},
};

} // namespace

std::string render_info(const info_facts& x,
                        const std::set<std::string>& sections) {
  const bool all = sections.empty() || sections.count("default") != 0
                   || sections.count("all") != 0
                   || sections.count("everything") != 0;
  std::string result;
  for (auto& [name, add] : parts)
    if (all || sections.count(std::string{name}) != 0)
      add(result, x);
  return result;
}

} // namespace terrace::resp
