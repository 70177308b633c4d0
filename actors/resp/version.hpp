/// What Terrace tells clients that ask for a version.
#pragma once

#include <string_view>

namespace terrace::resp {

inline constexpr std::string_view terrace_version = TERRACE_VERSION;

/// The release of Redis whose behaviour is followed; clients choose by it what
/// they may send.
inline constexpr std::string_view redis_version = "7.0.15";

} // namespace terrace::resp
