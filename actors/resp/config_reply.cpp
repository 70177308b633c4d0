#include "actors/resp/config_reply.hpp"

#include "actors/resp/words.hpp"
#include "config/options_access.hpp"
#include "messages/glob.hpp"

#include <map>

namespace terrace::resp {

namespace {

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
    {"maxmemory", std::to_string(x.memory.max_size)},
    {"maxmemory-policy", "allkeys-lfu"},
    {"port", std::to_string(x.resp.port)},
    {"proto-max-bulk-len", std::to_string(x.resp.max_request_size)},
    {"save", ""},
    {"timeout", seconds(x.resp.idle_timeout)},
  };
}

} // namespace

void write_config(reply_writer out, const options& opts, arguments patterns) {
  auto found = redis_options_of(opts);
  for (auto name : option_names())
    if (auto value = option_value(opts, name))
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
