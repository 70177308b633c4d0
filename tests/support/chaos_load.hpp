/// Readers and writers of a tier that know what they may be told: values tell
/// their key and version, and every answer is held against what was written
/// before it.
#pragma once

#include "messages/interfaces.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace terrace::test::chaos {

using clock_type = std::chrono::steady_clock;

inline constexpr std::size_t key_count = 400;
inline constexpr std::size_t readers = 32;
inline constexpr std::size_t writers = 8;
inline constexpr std::size_t keys_per_request = 8;

inline std::string key(std::size_t i) {
  return qualify(0, "key:" + std::to_string(i));
}

/// Tells its key and version, and is between 20 and 4000 bytes long.
inline std::string value_of(std::size_t i, version_t version) {
  auto result = std::to_string(i) + '#' + std::to_string(version) + '#';
  std::mt19937_64 random{i * 1'000'003 + version};
  for (auto n = random() % (random() % 8 == 0 ? 4000 : 200); n > 0; --n)
    result += static_cast<char>(random());
  return result;
}

/// What is known of one key.
struct truth {
  version_t attempted = 0; ///< newest version that was sent
  version_t answered = 0;  ///< newest of which the outcome was told
};

/// What the load has seen so far.
struct tally {
  std::uint64_t lookups = 0, hits = 0, misses = 0;
  std::map<errc, std::uint64_t> errors;
  std::uint64_t stored = 0, refused = 0, failed = 0;
  clock_type::duration longest{};
  std::string wrong; ///< the first answer that must not be, if any
};

/// All readers and writers. `stop` lets none ask again.
struct load {
  std::mutex mutex; ///< guards what follows
  tally seen;
  std::vector<truth> keys{key_count};
  std::size_t open = 0;
  clock_type::time_point last_answer = clock_type::now();
  bool stop = false;
};

/// One actor stands for all of them. With `strict`, a look-up may find nothing
/// older than what was answered before it was sent.
class load_state {
public:
  static inline const char* name = "terrace.test.load";

  explicit load_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

  caf::behavior begin(tier_actor tier, load* x, bool strict,
                      std::uint64_t seed) {
    tier_ = std::move(tier);
    load_ = x;
    strict_ = strict;
    random_.seed(seed);
    for (std::size_t i = 0; i < readers; ++i)
      look_up();
    for (std::size_t i = 0; i < writers; ++i)
      write();
    return {
      [this](fetch_atom) { look_up(); },
      [this](store_atom) { write(); },
    };
  }

private:
  struct question {
    std::size_t key;
    version_t floor; ///< nothing older may be found
  };

  std::vector<std::size_t> some_keys() {
    std::vector<std::size_t> result(1 + random_() % keys_per_request);
    for (auto& x : result)
      x = random_() % key_count;
    return result;
  }

  void look_up() {
    auto began = clock_type::now();
    std::vector<question> asked;
    keys names;
    {
      std::lock_guard guard{load_->mutex};
      if (load_->stop)
        return;
      ++load_->open;
      for (auto i : some_keys()) {
        asked.push_back({i, strict_ ? load_->keys[i].answered : 0});
        names.push_back(key(i));
      }
    }
    self_->request(tier_, caf::infinite, fetch_atom_v, std::move(names))
      .then([=, this](const lookups& found) { looked_up(asked, found, began); },
            [this](const caf::error&) { refused(); });
  }

  void looked_up(const std::vector<question>& asked, const lookups& found,
                 clock_type::time_point began) {
    {
      std::lock_guard guard{load_->mutex};
      answered(began);
      for (std::size_t i = 0; i < asked.size(); ++i)
        judge(asked[i], found.at(i));
    }
    // A tier that is down answers at once: ask it a little later.
    if (found.front().what == lookup::outcome::error)
      self_->delayed_send(self_, std::chrono::milliseconds{1}, fetch_atom_v);
    else
      look_up();
  }

  void judge(const question& asked, const lookup& x) {
    auto& seen = load_->seen;
    ++seen.lookups;
    seen.hits += x.hit();
    seen.misses += x.what == lookup::outcome::miss;
    if (x.what == lookup::outcome::error)
      ++seen.errors[x.code];
    if (!x.hit())
      return;
    auto version = x.data.version;
    if (x.data.value.view() != value_of(asked.key, version)
        || version > load_->keys[asked.key].attempted)
      wrong("a wrong value for " + std::to_string(asked.key));
    else if (version < asked.floor)
      wrong("version " + std::to_string(version) + " of key "
            + std::to_string(asked.key) + " after "
            + std::to_string(asked.floor));
  }

  void write() {
    auto began = clock_type::now();
    entries xs;
    std::vector<std::size_t> which;
    {
      std::lock_guard guard{load_->mutex};
      if (load_->stop)
        return;
      ++load_->open;
      for (auto i : some_keys()) {
        auto version = ++load_->keys[i].attempted;
        which.push_back(i);
        xs.push_back(
          {key(i), {blob::copy(value_of(i, version)), version, 0, {}}});
      }
    }
    entry_batch batch{std::move(xs)};
    self_->request(tier_, caf::infinite, store_atom_v, batch)
      .then([=, this](const store_report& x) { wrote(which, batch, x, began); },
            [this](const caf::error&) { refused(); });
  }

  void wrote(const std::vector<std::size_t>& which, const entry_batch& batch,
             const store_report& x, clock_type::time_point began) {
    {
      std::lock_guard guard{load_->mutex};
      answered(began);
      load_->seen.stored += x.stored;
      load_->seen.refused += x.refused;
      load_->seen.failed += x.failed;
      if (x.stored + x.refused + x.failed != which.size()
          || (x.failed > 0) != static_cast<bool>(x.why))
        wrong("a report that does not add up");
      for (std::size_t i = 0; i < which.size(); ++i) {
        auto& known = load_->keys[which[i]].answered;
        known = std::max(known, batch.get()[i].data.version);
      }
    }
    if (x.failed > 0)
      self_->delayed_send(self_, std::chrono::milliseconds{1}, store_atom_v);
    else
      write();
  }

  void answered(clock_type::time_point began) {
    auto now = clock_type::now();
    load_->last_answer = now;
    load_->seen.longest = std::max(load_->seen.longest, now - began);
    --load_->open;
  }

  void refused() {
    std::lock_guard guard{load_->mutex};
    wrong("an error instead of an answer");
  }

  void wrong(std::string text) {
    if (load_->seen.wrong.empty())
      load_->seen.wrong = std::move(text);
  }

  caf::event_based_actor* self_;
  tier_actor tier_;
  load* load_ = nullptr;
  bool strict_ = false;
  std::mt19937_64 random_;
};

} // namespace terrace::test::chaos
