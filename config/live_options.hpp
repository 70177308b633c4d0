/// The options of a running node, some of which change while it runs.
#pragma once

#include "config/options.hpp"

#include <memory>
#include <mutex>
#include <utility>

namespace terrace {

/// Thread-safe. Who changes them also tells those whom it concerns; whoever
/// wants to know what is in force now asks here.
class live_options {
public:
  explicit live_options(options x)
    : now_(std::make_shared<const options>(std::move(x))) {
    // nop
  }

  /// What is in force; does not change any more.
  std::shared_ptr<const options> get() const {
    std::lock_guard lock{mutex_};
    return now_;
  }

  void set(options x) {
    auto fresh = std::make_shared<const options>(std::move(x));
    std::lock_guard lock{mutex_};
    now_ = std::move(fresh);
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<const options> now_;
};

using live_options_ptr = std::shared_ptr<live_options>;

} // namespace terrace
