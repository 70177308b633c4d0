/// What CONFIG GET answers and CONFIG SET means.
#pragma once

#include "actors/resp/reply.hpp"
#include "actors/resp/set_options.hpp"
#include "config/options.hpp"
#include "messages/expected.hpp"
#include "messages/setting.hpp"

namespace terrace::resp {

/// What is nearest to a policy of ours among Redis' policies.
std::string redis_policy(std::string_view ours);

/// What CONFIG SET means by an option, in Redis' or in Terrace's name. The
/// failure's detail is the reply: the option is unknown or cannot be changed.
expected<setting> to_setting(const options& now, std::string_view name,
                             std::string_view value);

/// A map with the options whose names match one of the glob patterns: Terrace's
/// own, e.g. "memory.max_size", and those of Redis' names that clients ask for,
/// e.g. "maxmemory", with values in Redis' form. Passwords are hidden.
void write_config(reply_writer out, const options& opts, arguments patterns);

} // namespace terrace::resp
