#include "actors/resp/config_reply.hpp"

#include "actors/resp/words.hpp"
#include "config/memory_budget.hpp"
#include "config/options_access.hpp"
#include "messages/glob.hpp"

#include <map>

namespace terrace::resp {

namespace {

/// A name of ours as it is, a policy of Redis' as ours.
std::string to_policy(std::string_view name) {
  if (name == "allkeys-lru")
    return "lru";
  return std::string{name == "allkeys-lfu" ? "auto" : name};
}

/// What Redis calls maxmemory: whichever of the two rules.
std::string_view memory_bound(const options& x) {
  return x.node.max_memory != 0 ? "node.max_memory" : "memory.max_size";
}

/// Redis counts "1k" as 1000 and "1kb" as 1024 bytes; so does this.
std::string to_size(std::string_view text) {
  struct unit {
    std::string_view name;
    std::string_view ours;
  };
  constexpr unit units[] = {{"kb", "KiB"}, {"mb", "MiB"}, {"gb", "GiB"},
                            {"k", "KB"},   {"m", "MB"},   {"g", "GB"}};
  auto digits = text.find_first_not_of("0123456789");
  if (digits != text.npos && digits > 0)
    for (auto& x : units)
      if (same_word(text.substr(digits), x.name))
        return std::string{text.substr(0, digits)} + std::string{x.ours};
  return std::string{text};
}

/// Redis' names, translated. What Terrace does not do is told as switched off.
std::map<std::string, std::string, std::less<>>
redis_options_of(const options& x) {
  auto seconds = [](milliseconds ms) {
    return std::to_string(ms.count() / 1000);
  };
  return {
    {"appendonly", "no"},
    {"bind", x.resp.bind},
    {"client-query-buffer-limit", std::to_string(x.resp.max_request_size)},
    {"databases", std::to_string(x.cache.tenants)},
    {"maxclients", std::to_string(x.resp.max_clients)},
    {"maxmemory", std::to_string(x.node.max_memory != 0 ? x.node.max_memory
                                                        : x.memory.max_size)},
    {"maxmemory-policy", redis_policy(x.memory.policy)},
    {"port", std::to_string(x.resp.port)},
    {"proto-max-bulk-len", std::to_string(x.resp.max_request_size)},
    {"save", ""},
    {"timeout", seconds(x.resp.idle_timeout)},
  };
}

} // namespace

std::string redis_policy(std::string_view ours) {
  return ours == "lru" || ours == "fifo" ? "allkeys-lru" : "allkeys-lfu";
}

expected<setting> to_setting(const options& now, std::string_view name,
                             std::string_view value) {
  auto wanted = lower_case(name);
  if (wanted == "maxmemory")
    return setting{std::string{memory_bound(now)}, to_size(value)};
  if (wanted == "maxmemory-policy")
    return setting{"memory.policy", to_policy(lower_case(value))};
  if (is_live_option(wanted))
    return setting{wanted, std::string{value}};
  auto known = redis_options_of({}).count(wanted) != 0
               || option_value({}, wanted).has_value();
  auto shown = std::string{name.substr(0, 128)};
  if (known)
    return failure{errc::invalid_argument,
                   "ERR CONFIG SET failed (possibly related to argument '"
                     + shown + "') - can't set immutable config"};
  return failure{errc::invalid_argument,
                 "ERR Unknown option or number of arguments for CONFIG SET - '"
                   + shown + "'"};
}

void write_config(reply_writer out, const options& opts, arguments patterns) {
  auto found = redis_options_of(opts);
  auto in_force = with_budget(opts);
  for (auto name : option_names())
    if (auto value = option_value(in_force, name))
      found.emplace(name, *std::move(value));
  std::erase_if(found, [&](auto& entry) {
    for (auto pattern : patterns)
      if (glob_match(lower_case(pattern), entry.first))
        return false;
    return true;
  });
  out.map(found.size());
  for (auto& [name, value] : found) {
    out.bulk(name);
    out.bulk(value);
  }
}

} // namespace terrace::resp
