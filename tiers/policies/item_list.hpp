/// A doubly linked list through the items themselves. Enter at the back, leave
/// at the front.
#pragma once

#include "tiers/policies/policy.hpp"

namespace terrace {

class item_list {
public:
  item_id front() const noexcept {
    return front_;
  }

  item_id back() const noexcept {
    return back_;
  }

  bool empty() const noexcept {
    return front_ == 0;
  }

  std::size_t count() const noexcept {
    return count_;
  }

  /// Sum of the items' sizes.
  std::uint64_t size() const noexcept {
    return size_;
  }

  void push_back(policy_space& space, item_id x) noexcept {
    auto& item = space[x];
    item.prev = back_;
    item.next = 0;
    (back_ != 0 ? space[back_].next : front_) = x;
    back_ = x;
    add(space, x);
  }

  void push_front(policy_space& space, item_id x) noexcept {
    auto& item = space[x];
    item.prev = 0;
    item.next = front_;
    (front_ != 0 ? space[front_].prev : back_) = x;
    front_ = x;
    add(space, x);
  }

  void unlink(policy_space& space, item_id x) noexcept {
    auto& item = space[x];
    (item.prev != 0 ? space[item.prev].next : front_) = item.next;
    (item.next != 0 ? space[item.next].prev : back_) = item.prev;
    item.prev = item.next = 0;
    size_ -= space.size(x);
    --count_;
  }

  /// Puts `fresh` where `old` is.
  void replace(policy_space& space, item_id old, item_id fresh) noexcept {
    auto& from = space[old];
    auto& to = space[fresh];
    to.prev = from.prev;
    to.next = from.next;
    (to.prev != 0 ? space[to.prev].next : front_) = fresh;
    (to.next != 0 ? space[to.next].prev : back_) = fresh;
    from.prev = from.next = 0;
    size_ += space.size(fresh);
    size_ -= space.size(old);
  }

private:
  void add(policy_space& space, item_id x) noexcept {
    size_ += space.size(x);
    ++count_;
  }

  item_id front_ = 0;
  item_id back_ = 0;
  std::size_t count_ = 0;
  std::uint64_t size_ = 0;
};

} // namespace terrace
