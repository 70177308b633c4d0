#include "tiers/lmdb_overlay.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

/// Changes handled under one hold of the mutex.
constexpr std::size_t at_once = 1024;

/// How far ahead a list asks for the nodes that it will touch.
constexpr std::size_t ahead = 8;

void change(std::atomic<std::uint64_t>& x, std::uint64_t by) noexcept {
  // The mutex is held: nobody else writes.
  x.store(x.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

void make_room(std::vector<lmdb_node*>& xs, std::size_t n) {
  if (xs.capacity() - xs.size() < n)
    xs.reserve(std::max(2 * xs.capacity(), xs.size() + n));
}

/// Calls `f(node, i)` for all of `xs`, under the mutex a portion at a time.
template <class F>
void in_portions(std::mutex& mutex, std::span<lmdb_node* const> xs, F&& f) {
  for (std::size_t i = 0; i < xs.size();) {
    std::lock_guard lock{mutex};
    for (auto end = std::min(xs.size(), i + at_once); i < end; ++i) {
      if (i + ahead < xs.size())
        __builtin_prefetch(xs[i + ahead]);
      f(*xs[i], i);
    }
  }
}

} // namespace

// -- looking up ---------------------------------------------------------------

lmdb_overlay::state lmdb_overlay::find(std::string_view key,
                                       record& out) const {
  if (bytes() == 0)
    return state::unknown;
  lmdb_probe probe{key};
  std::lock_guard lock{mutex_};
  auto* x = peek(probe);
  if (!x)
    return state::unknown;
  out = x->data;
  return x->removed ? state::removed : state::record;
}

void lmdb_overlay::prefetch(std::span<const lmdb_probe> keys) const noexcept {
  for (auto& x : keys)
    index_.prefetch(x);
}

void lmdb_overlay::each(const std::function<void(const lmdb_node&)>& f) const {
  if (bytes() == 0)
    return;
  std::lock_guard lock{mutex_};
  index_.each(f);
}

lmdb_overlay::sizes lmdb_overlay::stats() const {
  std::lock_guard lock{mutex_};
  sizes result;
  result.staged_entries = active_.size() + frozen_.size();
  result.staged_bytes = staged_bytes() + frozen_bytes_;
  result.entries = index_.size();
  result.bytes = bytes();
  return result;
}

// -- changing -----------------------------------------------------------------

void lmdb_overlay::stage(const lmdb_probe& key, const lmdb_node* known,
                         record x, bool removed) {
  // The nodes are ours; `peek` only keeps others from writing to them.
  make_room(active_, 1); // before anything changes: memory may be short
  auto& node = known ? const_cast<lmdb_node&>(*known) : index_.insert(key);
  if (!known)
    change(bytes_, node.cost());
  auto active = node.round == round_;
  if (active)
    change(staged_bytes_, std::uint64_t{0} - node.cost());
  set(node, std::move(x), removed);
  if (active) {
    change(staged_bytes_, node.cost());
  } else {
    ++node.refs;
    activate(node);
  }
}

version_t lmdb_overlay::drop_active() {
  version_t result = 0;
  for (auto* node : active_) {
    result = std::max(result, node->data.version);
    record marker;
    marker.version = node->data.version;
    set(*node, std::move(marker), true);
    node->round = 0;
    leave(*node);
  }
  active_.clear();
  staged_bytes_ = 0;
  return result;
}

/// Adds a node to the active list, which does not have it.
void lmdb_overlay::activate(lmdb_node& x) {
  active_.push_back(&x);
  x.round = round_;
  change(staged_bytes_, x.cost());
}

void lmdb_overlay::set(lmdb_node& x, record data, bool removed) {
  auto before = x.cost();
  x.data = std::move(data);
  x.encoded = {};
  x.removed = removed;
  change(bytes_, x.cost() - before);
}

/// A list has let go of a node.
void lmdb_overlay::leave(lmdb_node& x) {
  if (--x.refs > 0)
    return;
  change(bytes_, std::uint64_t{0} - x.cost());
  index_.erase(x);
}

// -- the writer's side --------------------------------------------------------

std::size_t lmdb_overlay::freeze() {
  std::lock_guard lock{mutex_};
  active_.swap(frozen_);
  active_.reserve(frozen_.size());
  ++round_;
  frozen_bytes_ = staged_bytes_.exchange(0, std::memory_order_relaxed);
  return frozen_.size();
}

void lmdb_overlay::copy_frozen(std::size_t begin, std::size_t n,
                               std::vector<lmdb_change>& out) const {
  out.clear();
  in_portions(mutex_, std::span{frozen_}.subspan(begin, n),
              [&](lmdb_node& x, std::size_t) {
                out.push_back({&x, x.data, x.encoded, x.removed});
              });
}

bool lmdb_overlay::only_frozen(const lmdb_change& x) const {
  std::lock_guard lock{mutex_};
  return x.node->journals == 0;
}

void lmdb_overlay::keep_encoded(const lmdb_change& x, blob encoded) {
  std::lock_guard lock{mutex_};
  auto& node = *x.node;
  if (node.removed || node.data.version != x.data.version)
    return;
  auto before = node.cost();
  node.encoded = std::move(encoded);
  change(bytes_, node.cost() - before);
  if (node.round == round_)
    change(staged_bytes_, node.cost() - before);
}

void lmdb_overlay::thaw() {
  in_portions(mutex_, frozen_, [&](lmdb_node& x, std::size_t) {
    if (x.round == round_)
      --x.refs; // changed since, and in the active list for that
    else
      activate(x);
  });
  std::lock_guard lock{mutex_};
  frozen_.clear();
  frozen_bytes_ = 0;
}

void lmdb_overlay::keep(std::span<const std::size_t> merged) {
  auto& journal = journals_[filling_];
  make_room(journal, frozen_.size());
  in_portions(mutex_, frozen_, [&](lmdb_node& x, std::size_t i) {
    auto in_tree = !merged.empty() && merged.front() == i;
    if (in_tree)
      merged = merged.subspan(1);
    if (in_tree || (x.journals & bit(filling_)) != 0) {
      leave(x);
    } else {
      journal.push_back(&x);
      x.journals |= bit(filling_);
    }
  });
  std::lock_guard lock{mutex_};
  frozen_.clear();
  frozen_bytes_ = 0;
}

void lmdb_overlay::drop_frozen() {
  in_portions(mutex_, frozen_, [&](lmdb_node& x, std::size_t) { leave(x); });
  std::lock_guard lock{mutex_};
  frozen_.clear();
  frozen_bytes_ = 0;
}

std::span<lmdb_node* const> lmdb_overlay::begin_merge() {
  std::lock_guard lock{mutex_};
  filling_ ^= 1;
  return merging();
}

void lmdb_overlay::cancel_merge() {
  std::lock_guard lock{mutex_};
  filling_ ^= 1;
}

bool lmdb_overlay::copy_merging(std::span<lmdb_node* const> xs, bool skip_newer,
                                std::vector<lmdb_change>& out) const {
  out.clear();
  auto result = false;
  in_portions(mutex_, xs, [&](lmdb_node& x, std::size_t) {
    auto active = x.round == round_;
    if (!skip_newer || (!active && (x.journals & bit(filling_)) == 0))
      out.push_back({&x, x.data, x.encoded, x.removed});
    else
      result |= active && (x.journals & bit(filling_)) == 0;
  });
  return result;
}

void lmdb_overlay::end_merge() {
  auto xs = std::exchange(journals_[filling_ ^ 1], {});
  auto mask = static_cast<std::uint8_t>(~bit(filling_ ^ 1));
  in_portions(mutex_, xs, [&](lmdb_node& x, std::size_t) {
    x.journals &= mask;
    leave(x);
  });
}

void lmdb_overlay::restage() {
  std::lock_guard lock{mutex_};
  make_room(active_, index_.size()); // before anything changes
  frozen_.clear();
  frozen_bytes_ = 0;
  for (auto& journal : journals_)
    journal.clear();
  active_.clear();
  change(staged_bytes_, std::uint64_t{0} - staged_bytes());
  index_.each([this](lmdb_node& x) {
    x.refs = 1;
    x.journals = 0;
    change(bytes_, std::uint64_t{0} - x.encoded.size());
    x.encoded = {}; // it may need what is no more
    activate(x);
  });
}

void lmdb_overlay::restore(lmdb_replay x, bool merging) {
  std::lock_guard lock{mutex_};
  lmdb_probe probe{x.key};
  auto* node = index_.find(probe);
  if (!node) {
    node = &index_.insert(probe);
    change(bytes_, node->cost());
  }
  set(*node, std::move(x.data), x.removed);
  auto journal = merging ? filling_ ^ 1 : filling_;
  if ((node->journals & bit(journal)) != 0)
    return;
  node->journals |= bit(journal);
  ++node->refs;
  journals_[journal].push_back(node);
}

} // namespace terrace
