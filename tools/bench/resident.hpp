/// Memory that the operating system has given to this process.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace terrace::bench {

/// VmRSS in bytes; zero if it cannot be read.
inline std::uint64_t resident_bytes() {
  std::ifstream in{"/proc/self/status"};
  for (std::string word; in >> word;) {
    std::uint64_t kib = 0;
    if (word == "VmRSS:" && in >> kib)
      return kib * 1024;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

} // namespace terrace::bench
