/// One look-up or load per key at a time; whoever else asks waits for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace terrace {

/// Hash that lets string maps be searched with a view.
struct string_hash {
  using is_transparent = void;

  std::size_t operator()(std::string_view x) const noexcept {
    return std::hash<std::string_view>{}(x);
  }
};

template <class T>
using string_map
  = std::unordered_map<std::string, T, string_hash, std::equal_to<>>;

/// Plain state machine, single-owner. A flight begins with the first `join` of
/// a key and ends with `land`. `detach` cuts it off from its key when the key
/// is changed or invalidated meanwhile: those who wait still get what the
/// flight brings, but it must not be kept, and who comes later starts a new
/// flight.
template <class Waiter>
class single_flight {
public:
  using id = std::uint64_t;

  struct landed {
    std::string key;
    std::vector<Waiter> waiters;
    bool keep = true; ///< false after `detach`
  };

  /// Joins the flight of `key`. The second result is true if the caller has to
  /// start it.
  std::pair<id, bool> join(std::string_view key, Waiter x) {
    if (auto i = by_key_.find(key); i != by_key_.end()) {
      flights_.at(i->second).waiters.push_back(std::move(x));
      return {i->second, false};
    }
    auto result = ++last_;
    by_key_.emplace(std::string{key}, result);
    auto& f = flights_[result];
    f.key = std::string{key};
    f.waiters.push_back(std::move(x));
    return {result, true};
  }

  /// Cuts the flight of `key` off, if there is one.
  void detach(std::string_view key) {
    if (by_key_.empty())
      return;
    if (auto i = by_key_.find(key); i != by_key_.end()) {
      flights_.at(i->second).keep = false;
      by_key_.erase(i);
    }
  }

  /// Cuts off every flight whose key satisfies `f`.
  template <class Predicate>
  void detach_if(Predicate&& f) {
    for (auto i = by_key_.begin(); i != by_key_.end();) {
      if (f(i->first)) {
        flights_.at(i->second).keep = false;
        i = by_key_.erase(i);
      } else {
        ++i;
      }
    }
  }

  /// Who waits for flight `x`, in the order of joining.
  std::vector<Waiter>& waiters(id x) {
    return flights_.at(x).waiters;
  }

  const std::string& key(id x) const {
    return flights_.at(x).key;
  }

  /// Ends flight `x`, which must be going.
  landed land(id x) {
    auto i = flights_.find(x);
    auto result = std::move(i->second);
    flights_.erase(i);
    if (auto k = by_key_.find(result.key); k != by_key_.end() && k->second == x)
      by_key_.erase(k);
    return result;
  }

  std::size_t size() const noexcept {
    return flights_.size();
  }

private:
  id last_ = 0;
  std::unordered_map<id, landed> flights_;
  string_map<id> by_key_;
};

} // namespace terrace
