#include "tiers/redis_url.hpp"

namespace terrace {

expected<redis_address> read_redis_url(std::string_view url) {
  if (auto address = parse_redis_url(url))
    return *std::move(address);
  auto text = mask_redis_url(url);
  if (url.starts_with("rediss://"))
    return failure{errc::invalid_argument,
                   text
                     + ": TLS is not available with this hiredis; let stunnel "
                       "speak it and give redis.url stunnel's own address"};
  return failure{errc::invalid_argument,
                 '"' + text
                   + "\" is not of the form "
                     "redis://[[user]:password@]host[:port][/db] or "
                     "unix://path[?db=n]"};
}

expected<std::vector<redis_address>> read_redis_urls(std::string_view urls) {
  std::vector<redis_address> result;
  for (auto url : split_redis_urls(urls)) {
    auto address = read_redis_url(url);
    if (!address)
      return address.error();
    result.push_back(*std::move(address));
  }
  return result;
}

} // namespace terrace
