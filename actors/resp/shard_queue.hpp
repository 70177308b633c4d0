/// Gathers what the commands of many connections want from one coordinator into
/// few messages.
#pragma once

#include "messages/mutation.hpp"

#include <deque>

namespace terrace::resp {

/// The place where a result goes. Descriptors are used again soon after a
/// client leaves: only together with the number of the connection is it
/// unambiguous.
struct target {
  int fd = -1;
  std::uint32_t index = 0;      ///< position in the reply
  std::uint64_t connection = 0; ///< never used twice
  std::uint64_t slot = 0;       ///< number of the reply on the connection
  std::uint32_t bytes = 0;      ///< size of the key and value of a change
};

/// Requests of one kind, in order; `targets` has one element per request.
struct shard_batch {
  bool writes = false;
  keys lookups;
  mutations changes;
  std::vector<target> targets;
  std::size_t bytes = 0; ///< keys and values of the changes
};

/// In order of arrival, because a read that came before a write must not see
/// it. Only a few messages are under way at a time: that bounds the
/// coordinator's mailbox, and what comes meanwhile shares the next message.
class shard_queue {
public:
  /// Requests in one message.
  static constexpr std::size_t max_batch = 512;

  /// Messages under way.
  static constexpr std::size_t max_in_flight = 8;

  void fetch(std::string_view key, const target& where) {
    auto& batch = open(false);
    batch.lookups.emplace_back(key);
    batch.targets.push_back(where);
  }

  void apply(mutation x, const target& where) {
    auto& batch = open(true);
    batch.bytes += where.bytes;
    batch.changes.push_back(std::move(x));
    batch.targets.push_back(where);
  }

  bool may_send() const noexcept {
    return !waiting_.empty() && in_flight_ < max_in_flight;
  }

  /// The next message to send; `done` is to be called when its answer has come.
  shard_batch next() {
    auto result = std::move(waiting_.front());
    waiting_.pop_front();
    ++in_flight_;
    return result;
  }

  void done() noexcept {
    --in_flight_;
  }

  /// For the owner, to remember that there is something to send.
  bool marked() const noexcept {
    return marked_;
  }

  void mark(bool x) noexcept {
    marked_ = x;
  }

private:
  shard_batch& open(bool writes) {
    if (waiting_.empty() || waiting_.back().writes != writes
        || waiting_.back().targets.size() >= max_batch) {
      waiting_.emplace_back();
      waiting_.back().writes = writes;
    }
    return waiting_.back();
  }

  std::deque<shard_batch> waiting_;
  std::size_t in_flight_ = 0;
  bool marked_ = false;
};

} // namespace terrace::resp
