/// What CONFIG GET answers.
#pragma once

#include "actors/resp/reply.hpp"
#include "actors/resp/set_options.hpp"
#include "config/options.hpp"

namespace terrace::resp {

/// A map with the options whose names match one of the glob patterns: Terrace's
/// own, e.g. "memory.max_size", and those of Redis' names that clients ask for,
/// e.g. "maxmemory", with values in Redis' form. Passwords are hidden.
void write_config(reply_writer out, const options& opts, arguments patterns);

} // namespace terrace::resp
