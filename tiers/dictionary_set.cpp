#include "tiers/dictionary_set.hpp"

#include "tiers/codec_zstd.hpp"

#include <algorithm>
#include <new>

namespace terrace {

namespace {

/// Samples that a training wants, as a multiple of the dictionary's size: more
/// than sixteen were not measured to help, up to a hundred.
constexpr std::size_t samples_per_byte = 16;

/// Of so many samples one is kept from the trainer, to judge the result.
constexpr std::size_t held_out = 5;

/// What a new dictionary may leave at most of what there is without it.
constexpr double most_left = 0.95;

/// A dictionary's id in front of what it compressed.
constexpr std::size_t id_size = sizeof(std::uint32_t);

/// Bytes that the values take, each compressed where that helps.
std::size_t size_of(const std::vector<std::string_view>& values, int level,
                    const dictionary* with) {
  std::string out;
  std::size_t result = 0;
  auto extra = with ? id_size : 0;
  for (auto x : values) {
    out.clear();
    result += zstd_append(out, x, level, with, extra) ? out.size() + extra
                                                      : x.size();
  }
  return result;
}

} // namespace

dictionary_set::dictionary_set(const compression_options& opts)
  : opts_(opts), traffic_(opts.dictionary_size * samples_per_byte) {
  // nop
}

// -- dictionaries -------------------------------------------------------------

dictionary_ptr dictionary_set::find(std::uint32_t id) const {
  std::shared_lock lock{mutex_};
  auto i = known_.find(id);
  return i == known_.end() ? nullptr : i->second;
}

expected<dictionary_ptr> dictionary_set::add(std::string_view stored) {
  auto x = dictionary::load(stored, opts_.level);
  if (!x)
    return x;
  if (auto known = find((*x)->id())) {
    if (known->content() != (*x)->content())
      return failure{errc::in_use, "two dictionaries have the same number"};
    x = known;
  }
  bool used = false;
  {
    std::lock_guard lock{traffic_mutex_};
    used = traffic_.use(*x);
  }
  insert(*x);
  if (used)
    version_.fetch_add(1, std::memory_order_release);
  return x;
}

void dictionary_set::insert(const dictionary_ptr& x) {
  std::lock_guard lock{mutex_};
  if (!known_.emplace(x->id(), x).second)
    return;
  order_.push_back(x->id());
  // Those that somebody holds are not up for choice.
  auto n = order_.size();
  for (std::size_t i = 0; i < n && order_.size() > most_unheld; ++i) {
    auto id = order_.front();
    order_.pop_front();
    if (known_[id].use_count() > 1)
      order_.push_back(id);
    else
      known_.erase(id);
  }
}

std::vector<dictionary_ptr> dictionary_set::in_use() const {
  std::lock_guard lock{traffic_mutex_};
  return traffic_.in_use();
}

// -- training -----------------------------------------------------------------

void dictionary_set::seen(const dictionary_family& of, std::string_view value,
                          std::uint32_t id, std::size_t size) noexcept {
  std::lock_guard lock{traffic_mutex_};
  try {
    traffic_.seen(of, value, id, size);
  } catch (const std::bad_alloc&) {
    // One sample less.
  }
}

bool dictionary_set::train_some() {
  std::optional<dictionary_traffic::lesson> lesson;
  {
    std::lock_guard lock{traffic_mutex_};
    lesson = traffic_.begin_lesson();
  }
  if (!lesson)
    return false;
  dictionary_traffic::outcome result{lesson->current, 0};
  try {
    result = study(*lesson);
  } catch (const std::bad_alloc&) {
    // What there is stays.
  }
  const bool fresh = result.best && result.best != lesson->current;
  if (fresh)
    insert(result.best);
  ++(fresh ? trainings_ : rejected_);
  std::lock_guard lock{traffic_mutex_};
  if (traffic_.end_lesson(lesson->family, result))
    version_.fetch_add(1, std::memory_order_release);
  return true;
}

dictionary_traffic::outcome
dictionary_set::study(const dictionary_traffic::lesson& x) {
  dictionary_samples learnt;
  std::vector<std::string_view> judged;
  std::string_view left = x.samples.bytes;
  std::size_t raw = 0;
  for (std::size_t i = 0; i < x.samples.sizes.size(); ++i) {
    auto size = x.samples.sizes[i];
    if (i % held_out == held_out - 1) {
      judged.push_back(left.substr(0, size));
      raw += size;
    } else {
      learnt.bytes += left.substr(0, size);
      learnt.sizes.push_back(size);
    }
    left.remove_prefix(size);
  }
  if (raw == 0)
    return {};
  auto share = [](std::size_t part, std::size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto plain = size_of(judged, opts_.level, nullptr);
  dictionary_traffic::outcome result;
  auto best = static_cast<std::size_t>(static_cast<double>(plain) * most_left);
  if (x.current)
    if (auto n = size_of(judged, opts_.level, x.current.get()); n <= best) {
      result = {x.current, share(n, raw)};
      best = static_cast<std::size_t>(static_cast<double>(n) * most_left);
    }
  auto trained = dictionary::train(learnt, x.family, opts_.dictionary_size,
                                   opts_.level);
  if (!trained)
    return result;
  auto known = find((*trained)->id());
  if (known && known->content() != (*trained)->content())
    return result; // a number that is taken
  if (auto n = size_of(judged, opts_.level, trained->get()); n <= best)
    result = {*trained, share(n, raw)};
  return result;
}

dictionary_set::figures dictionary_set::stats() const {
  figures result;
  {
    std::shared_lock lock{mutex_};
    result.dictionaries = known_.size();
    for (auto& [id, x] : known_)
      result.dictionary_bytes += x->stored().size();
  }
  result.trainings = trainings_.load(std::memory_order_relaxed);
  result.rejected = rejected_.load(std::memory_order_relaxed);
  std::lock_guard lock{traffic_mutex_};
  result.traffic = traffic_.stats();
  result.in_use = traffic_.in_use().size();
  return result;
}

} // namespace terrace
