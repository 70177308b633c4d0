/// A folder that is gone with its owner.
#pragma once

#include "messages/expected.hpp"

#include <filesystem>

namespace terrace::bench {

class temp_folder {
public:
  /// Makes one inside `parent`, or where the system keeps temporary files if
  /// that is empty. Fails with `io_failure`.
  static expected<temp_folder> make(const std::filesystem::path& parent = {});

  temp_folder(temp_folder&& x) noexcept;

  temp_folder& operator=(temp_folder&&) = delete;

  /// Removes it with everything in it.
  ~temp_folder();

  const std::filesystem::path& path() const noexcept {
    return path_;
  }

private:
  explicit temp_folder(std::filesystem::path x) : path_(std::move(x)) {
    // nop
  }

  std::filesystem::path path_;
};

} // namespace terrace::bench
