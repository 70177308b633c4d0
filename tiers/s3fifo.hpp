/// S3-FIFO: three FIFO queues instead of an LRU list.
///
/// Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for
/// cache eviction", SOSP 2023. New entries enter a small queue, a tenth of all
/// bytes. What leaves it untouched (fewer than two hits) is evicted and
/// remembered as a ghost; what was touched moves to the main queue, as does a
/// ghost that returns. The main queue gives every entry another round per hit,
/// up to three. Readers do no more than raise a two-bit counter in the node: no
/// list moves on a hit, no message. Weakness: an entry whose hits come later
/// than its stay in the small queue is lost once; the ghosts correct that at
/// the second miss.
#pragma once

#include "tiers/eviction_policy.hpp"

#include <cstddef>
#include <deque>
#include <unordered_map>

namespace terrace {

class s3fifo final : public eviction_policy {
public:
  void inserted(memory_node& x) override;

  void replaced(memory_node& old, memory_node& fresh) override;

  void erased(memory_node& x) override;

  memory_node* evict() override;

  std::vector<std::uint64_t> dump() const override;

  /// Number of remembered ghosts.
  std::size_t ghosts() const noexcept {
    return ghost_set_.size();
  }

private:
  enum queue_id : std::uint8_t { small, main };

  /// Intrusive FIFO: enter at the back, leave at the front.
  struct fifo {
    memory_node* front = nullptr;
    memory_node* back = nullptr;
    std::size_t bytes = 0;
    std::size_t count = 0;

    void push(memory_node& x) noexcept;
    void unlink(memory_node& x) noexcept;
  };

  memory_node* evict_small();

  memory_node* evict_main();

  void remember(std::uint64_t hash);

  bool forget(std::uint64_t hash);

  fifo queues_[2];
  // Ghosts: hash -> sequence number of its latest entry in the ring. Ring slots
  // whose number no longer matches are dead.
  std::unordered_map<std::uint64_t, std::uint64_t> ghost_set_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> ghost_ring_;
  std::uint64_t ghost_sequence_ = 0;
};

} // namespace terrace
