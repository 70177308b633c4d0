#include "tiers/missed_writes.hpp"

#include <algorithm>

namespace terrace {

bool missed_batch::hides(const std::string& key, const record& found) const {
  if (purge && found.version <= purge->up_to
      && purge->what.matches(key, found.tags))
    return true;
  return std::any_of(puts.begin(), puts.end(),
                     [&](const entry& x) {
                       return x.key == key && found.version < x.data.version;
                     })
         || std::any_of(gone.begin(), gone.end(), [&](const removal& x) {
              return x.key == key && found.version <= x.version;
            });
}

// -- constructors -------------------------------------------------------------

missed_writes::missed_writes(std::size_t max_count, std::uint64_t max_bytes)
  : max_count_(max_count), max_bytes_(max_bytes) {
  // nop
}

// -- noting -------------------------------------------------------------------

void missed_writes::note(const entry& x) {
  auto bytes = note_overhead + x.key.size() + x.data.value.size();
  for (auto& tag : x.data.tags)
    bytes += tag.size();
  put_note(x.key, {false, bytes, x.data});
}

void missed_writes::note(const removal& x) {
  put_note(x.key, removal_of(x.key, x.version));
}

void missed_writes::note(const selector& what, version_t up_to) {
  highest_ = std::max(highest_, up_to);
  if (up_to <= floor_)
    return;
  for (auto i = notes_.begin(); i != notes_.end();) {
    auto next = std::next(i);
    auto& data = i->second.data;
    if (data.version <= up_to && what.matches(i->first, data.tags)) {
      // What the tier holds under the key is older still. A purge by key takes
      // that as well; a purge by tag does not if the older record lacks the
      // tag.
      if (what.what == selector::kind::tag)
        replace_note(i->second, removal_of(i->first, data.version));
      else
        drop_note(i);
    }
    i = next;
  }
  auto same = [&](const missed_purge& p) { return p.what == what; };
  auto known = std::find_if(purges_.begin(), purges_.end(), same);
  if (known != purges_.end())
    known->up_to = std::max(known->up_to, up_to);
  else
    purges_.push_back({what, up_to});
  check_bounds();
}

// -- superseding --------------------------------------------------------------

void missed_writes::supersede(const std::string& key, version_t limit) {
  auto i = notes_.find(key);
  if (i != notes_.end() && i->second.data.version < limit)
    replace_note(i->second, removal_of(key, i->second.data.version));
}

void missed_writes::supersede(const selector& what, version_t up_to) {
  for (auto& [key, note] : notes_)
    if (note.data.version <= up_to && what.matches(key, note.data.tags))
      replace_note(note, removal_of(key, note.data.version));
}

// -- hiding -------------------------------------------------------------------

bool missed_writes::hides(const std::string& key, const record& found) const {
  if (found.version <= floor_)
    return true;
  if (auto i = notes_.find(key); i != notes_.end()) {
    // A removal takes records up to its own version, a write replaces older
    // ones only.
    auto& note = i->second;
    if (found.version < note.data.version
        || (note.removed && found.version == note.data.version))
      return true;
  }
  return covering_purge(key, found) != nullptr;
}

// -- replaying ----------------------------------------------------------------

missed_batch missed_writes::next(std::size_t n) {
  missed_batch result;
  if (!purges_.empty() && !(purge_tried_ && !notes_.empty())) {
    // Purges go first, because they are few and hide much. The order is free: a
    // write that a purge covers is not noted.
    result.purge = purges_[purge_++ % purges_.size()];
    purge_tried_ = true;
    return result;
  }
  purge_tried_ = false;
  n = std::min(n, notes_.size());
  const auto buckets = notes_.bucket_count();
  for (bucket_ %= buckets; n > 0; bucket_ = (bucket_ + 1) % buckets) {
    auto in_bucket = notes_.bucket_size(bucket_);
    auto x = notes_.begin(bucket_);
    std::advance(x, std::min(given_, in_bucket));
    for (; x != notes_.end(bucket_) && n > 0; ++x, ++given_, --n) {
      auto& [key, note] = *x;
      if (note.removed)
        result.gone.push_back({key, note.data.version});
      else
        result.puts.push_back({key, note.data});
    }
    if (given_ < in_bucket)
      break;
    given_ = 0;
  }
  return result;
}

void missed_writes::replayed(const missed_batch& x) {
  if (x.purge) {
    std::erase(purges_, *x.purge);
    purge_tried_ = false;
  }
  auto forget = [this](const std::string& key, version_t version) {
    auto i = notes_.find(key);
    if (i != notes_.end() && i->second.data.version == version)
      drop_note(i);
  };
  for (auto& put : x.puts)
    forget(put.key, put.data.version);
  for (auto& gone : x.gone)
    forget(gone.key, gone.version);
}

// -- private ------------------------------------------------------------------

void missed_writes::put_note(const std::string& key, note_data x) {
  highest_ = std::max(highest_, x.data.version);
  if (x.data.version <= floor_)
    return;
  if (auto* purge = covering_purge(key, x.data)) {
    if (purge->what.what != selector::kind::tag)
      return;
    x = removal_of(key, x.data.version);
  }
  auto [i, is_new] = notes_.try_emplace(key);
  if (!is_new && i->second.data.version > x.data.version)
    return;
  replace_note(i->second, std::move(x));
  check_bounds();
}

missed_writes::note_data missed_writes::removal_of(const std::string& key,
                                                   version_t version) {
  return {true, note_overhead + key.size(), {{}, version, 0, {}}};
}

const missed_purge* missed_writes::covering_purge(const std::string& key,
                                                  const record& x) const {
  auto covers = [&](const missed_purge& p) {
    return x.version <= p.up_to && p.what.matches(key, x.tags);
  };
  auto i = std::find_if(purges_.begin(), purges_.end(), covers);
  return i != purges_.end() ? &*i : nullptr;
}

void missed_writes::replace_note(note_data& old, note_data x) {
  bytes_ += x.bytes;
  bytes_ -= old.bytes;
  old = std::move(x);
}

void missed_writes::drop_note(
  std::unordered_map<std::string, note_data>::iterator i) {
  bytes_ -= i->second.bytes;
  notes_.erase(i);
}

void missed_writes::check_bounds() {
  // The purge that is left when all else was dropped cannot be dropped.
  const bool fits = size() <= max_count_ || notes_.empty();
  if (fits && bytes_ <= max_bytes_ && purges_.size() <= max_purges)
    return;
  notes_.clear();
  bytes_ = 0;
  floor_ = highest_;
  purges_ = {{selector{}, floor_}};
  ++overflows_;
}

} // namespace terrace
