// Taking changes into the overlay.

#include "tiers/lmdb_store.hpp"

#include <algorithm>
#include <limits>

namespace terrace {

namespace {

constexpr std::size_t u16_max = std::numeric_limits<std::uint16_t>::max();

std::vector<lmdb_probe> probes_of(std::span<const entry> xs) {
  std::vector<lmdb_probe> result;
  result.reserve(xs.size());
  for (auto& x : xs)
    result.emplace_back(x.key);
  return result;
}

} // namespace

bool lmdb_store::fetch_staged(std::span<const std::string> xs,
                              std::int64_t now_ms, lookups& out) {
  if (overlay_.bytes() == 0)
    return xs.empty();
  return overlay_.locked([&] {
    out.clear();
    out.reserve(xs.size());
    for (auto& key : xs) {
      auto* x = overlay_.peek(key);
      if (!x)
        return false;
      out.push_back(answer(*x, now_ms));
    }
    return true;
  });
}

// -- entries ------------------------------------------------------------------

bool lmdb_store::try_stage(std::span<const entry> xs, bool if_absent,
                           std::int64_t now_ms, store_report& out) {
  auto probes = probes_of(xs);
  return overlay_.locked([&] {
    overlay_.prefetch(probes);
    // Read under the mutex: an entry that leaves the overlay is in the tree,
    // and in this figure, before.
    auto newest = max_version_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < xs.size(); ++i)
      if ((if_absent || xs[i].data.version <= newest)
          && !overlay_.peek(probes[i]))
        return false;
    for (std::size_t i = 0; i < xs.size(); ++i)
      stage_one(xs[i], probes[i], if_absent, nullptr, now_ms, out);
    return true;
  });
}

store_report lmdb_store::stage(std::span<const entry> xs, bool if_absent,
                               const lookups& known, std::int64_t now_ms) {
  store_report result;
  auto probes = probes_of(xs);
  overlay_.locked([&] {
    overlay_.prefetch(probes);
    for (std::size_t i = 0; i < xs.size(); ++i)
      stage_one(xs[i], probes[i], if_absent, &known[i], now_ms, result);
  });
  return result;
}

void lmdb_store::stage_one(const entry& x, const lmdb_probe& key,
                           bool if_absent, const lookup* known,
                           std::int64_t now_ms, store_report& out) {
  auto present = false;
  auto live = false;
  version_t version = 0;
  auto* above = overlay_.peek(key);
  if (above) {
    present = true;
    version = above->data.version;
    live = !above->removed && !above->data.expired(now_ms);
    // A marker without a record behind it only keeps older versions out.
    if (above->removed && version == x.data.version)
      ++version;
  } else if (known) {
    present = known->data.version != 0;
    version = known->data.version;
    live = known->hit();
  }
  if ((if_absent && live) || (present && version > x.data.version)
      || !is_qualified(x.key)) {
    ++out.refused;
    return;
  }
  if (!fits(x) || x.data.expired(now_ms)
      || !admits(key, above, known, now_ms)) {
    ++out.refused;
    // What it replaces is gone all the same.
    if (!if_absent && (present || !known))
      stage_marker(key, above, x.data.version);
    return;
  }
  if (overfull()) {
    give_up(key, x.data.version);
    given_up_.fetch_add(1, std::memory_order_relaxed);
    ++out.failed;
    std::lock_guard lock{mutex_};
    if (!out.why)
      out.why = last_failure_;
    return;
  }
  overlay_.stage(key, above, x.data, false);
  accepted_bytes_.fetch_add(x.key.size() + x.data.value.size(),
                            std::memory_order_relaxed);
  ++out.stored;
}

/// Whether an entry is worth its wear. A key that is known to be there, or has
/// been of use lately, is not new.
bool lmdb_store::admits(const lmdb_probe& key, const lmdb_node* above,
                        const lookup* known, std::int64_t now_ms) noexcept {
  if (!admission_.selects() || (above && !above->removed)
      || (known && known->hit()) || clock_.seen(key.hash))
    return true;
  auto full = used_ + sizes_.slice >= limit_;
  if (admission_.admit(key.hash, full, now_ms))
    return true;
  not_admitted_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

/// What could never be written is refused here, so that no commit can fail
/// because of one entry.
bool lmdb_store::fits(const entry& x) const noexcept {
  auto& value = x.data.value;
  return value.size() <= opts_.max_value_size
         && value.size() <= std::numeric_limits<std::uint32_t>::max()
         && 2 * x.key.size() + value.size() + 128 <= sizes_.spare
         && x.data.tags.size() <= u16_max
         && std::all_of(x.data.tags.begin(), x.data.tags.end(),
                        [](auto& tag) { return tag.size() <= u16_max; });
}

bool lmdb_store::overfull() const noexcept {
  return failing_.load(std::memory_order_relaxed)
         && overlay_.bytes() > opts_.max_pending_size;
}

void lmdb_store::give_up(const lmdb_probe& key, version_t version) {
  auto limit = opts_.max_pending_size + opts_.max_pending_size / 4;
  if (overlay_.bytes() <= limit) {
    record marker;
    marker.version = version;
    overlay_.stage(key, overlay_.peek(key), std::move(marker), true);
    return;
  }
  auto lost = std::max(overlay_.drop_active(), version);
  if (lost > floor_.load(std::memory_order_relaxed))
    floor_.store(lost, std::memory_order_release);
}

// -- removals -----------------------------------------------------------------

bool lmdb_store::try_stage(std::span<const removal> xs, std::int64_t now_ms,
                           remove_report& out) {
  return overlay_.locked([&] {
    for (auto& x : xs)
      if (!overlay_.peek(x.key))
        return false;
    for (auto& x : xs)
      out.existed.push_back(stage_one(x, nullptr, now_ms));
    return true;
  });
}

remove_report lmdb_store::stage(std::span<const removal> xs,
                                const lookups& known, std::int64_t now_ms) {
  remove_report result;
  overlay_.locked([&] {
    for (std::size_t i = 0; i < xs.size(); ++i)
      result.existed.push_back(stage_one(xs[i], &known[i], now_ms));
  });
  for (auto& x : known) {
    // A damaged record is deleted like any other.
    if (x.what == lookup::outcome::error && x.code != errc::corrupt) {
      result.existed.assign(xs.size(), false);
      result.why.code = x.code;
      break;
    }
  }
  return result;
}

bool lmdb_store::stage_one(const removal& x, const lookup* known,
                           std::int64_t now_ms) {
  auto existed = false;
  lmdb_probe key{x.key};
  auto* above = overlay_.peek(key);
  if (above) {
    if (above->data.version > x.version)
      return false;
    existed = answer(*above, now_ms).hit();
  } else if (known) {
    auto absent = known->data.version == 0
                  && known->what == lookup::outcome::miss;
    if (absent || known->data.version > x.version)
      return false;
    existed = known->hit();
  }
  if (!is_qualified(x.key))
    return false;
  stage_marker(key, above, x.version);
  return existed;
}

/// Stages a removal.
void lmdb_store::stage_marker(const lmdb_probe& key, const lmdb_node* above,
                              version_t version) {
  if (overfull())
    return give_up(key, version);
  record marker;
  marker.version = version;
  overlay_.stage(key, above, std::move(marker), true);
}

std::uint64_t lmdb_store::hide_staged(const lmdb_purge& x,
                                      std::int64_t now_ms) {
  std::vector<removal> hidden;
  overlay_.each([&](const lmdb_node& node) {
    if (!node.removed && node.data.version <= x.up_to
        && x.what.matches(node.key(), node.data.tags))
      hidden.push_back({std::string{node.key()}, node.data.version});
  });
  std::uint64_t result = 0;
  overlay_.locked([&] {
    for (auto& y : hidden)
      if (auto* now = overlay_.peek(y.key);
          now && !now->removed && now->data.version == y.version)
        result += stage_one(y, nullptr, now_ms) ? 1 : 0;
  });
  return result;
}

} // namespace terrace
