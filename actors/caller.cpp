#include "actors/caller.hpp"

namespace terrace {

caller_pool::lease caller_pool::take() {
  std::unique_lock lock{mutex_};
  if (closed_)
    return {*this, nullptr};
  ++out_;
  if (!idle_.empty()) {
    auto x = std::move(idle_.back());
    idle_.pop_back();
    return {*this, std::move(x)};
  }
  lock.unlock();
  return {*this, std::make_unique<caller>(sys_)};
}

void caller_pool::give_back(std::unique_ptr<caller> x) {
  if (!x)
    return;
  std::lock_guard lock{mutex_};
  idle_.push_back(std::move(x));
  if (--out_ == 0)
    all_back_.notify_all();
}

void caller_pool::close() {
  std::unique_lock lock{mutex_};
  closed_ = true;
  all_back_.wait(lock, [this] { return out_ == 0; });
  idle_.clear();
}

} // namespace terrace
