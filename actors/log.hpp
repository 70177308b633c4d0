/// One spdlog logger per component (row D10).
#pragma once

#include "config/options.hpp"
#include "messages/expected.hpp"

#include <spdlog/spdlog.h>

#include <string_view>

namespace terrace {

/// Opens the log as configured and sets the level of every component. Before
/// the first call, loggers write warnings and errors to standard error. Fails
/// with `io_failure` when the file cannot be opened, with `invalid_argument` on
/// an unknown component or level.
expected<void> open_log(const log_options& opts);

/// The logger of `component`; created on first use. Thread-safe, and cheap
/// enough to be kept in an actor's state, not to be called per message.
spdlog::logger& log_of(std::string_view component);

} // namespace terrace
