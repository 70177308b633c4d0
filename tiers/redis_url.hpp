/// The Redis URL as an engine needs it: an address, or a sentence that tells
/// what is wrong with the URL. The syntax is that of config/redis_url.hpp.
#pragma once

#include "config/redis_url.hpp"
#include "messages/expected.hpp"

#include <string_view>
#include <vector>

namespace terrace {

/// Every failure is `invalid_argument`; it never repeats the password.
expected<redis_address> read_redis_url(std::string_view url);

/// The same for a list of them.
expected<std::vector<redis_address>> read_redis_urls(std::string_view urls);

} // namespace terrace
