#include "tools/bench/temp_folder.hpp"

#include <stdlib.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace terrace::bench {

expected<temp_folder> temp_folder::make(const std::filesystem::path& parent) {
  auto where = parent.empty() ? std::filesystem::temp_directory_path() : parent;
  std::string path = where / "terrace-XXXXXX";
  if (!::mkdtemp(path.data()))
    return failure{errc::io_failure,
                   path + ": " + std::generic_category().message(errno)};
  return temp_folder{path};
}

temp_folder::temp_folder(temp_folder&& x) noexcept
  : path_(std::exchange(x.path_, {})) {
  // nop
}

temp_folder::~temp_folder() {
  std::error_code ignored; // a folder left behind is no reason to fail
  if (!path_.empty())
    std::filesystem::remove_all(path_, ignored);
}

} // namespace terrace::bench
