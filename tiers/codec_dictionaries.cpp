// The part of the codec that decides which dictionaries it writes with, and its
// figures.
#include "tiers/codec.hpp"

#include <algorithm>
#include <mutex>

namespace terrace {

// -- dictionaries -------------------------------------------------------------

std::uint32_t codec::missing_dictionary(std::string_view bytes) const {
  auto id = set_ ? dictionary_of(bytes) : 0;
  return id != 0 && !set_->find(id) ? id : 0;
}

bool codec::wants_any() const noexcept {
  return set_ && opts_.enabled && opts_.dictionaries
         && seen_version_.load(std::memory_order_relaxed) != set_->version();
}

std::vector<dictionary_ptr> codec::wanted() {
  if (!set_ || !opts_.enabled || !opts_.dictionaries)
    return {};
  seen_version_.store(set_->version(), std::memory_order_relaxed);
  auto result = set_->in_use();
  std::lock_guard lock{mutex_};
  std::unordered_map<std::uint64_t, dictionary_ptr> kept;
  std::erase_if(result, [&](const dictionary_ptr& x) {
    auto family = dictionary_family::hash_of(x->family());
    auto i = adopted_.find(family);
    if (i == adopted_.end())
      return false;
    // Until the new one may be used, the one before is.
    kept.insert(*i);
    return i->second == x;
  });
  adopted_ = std::move(kept);
  return result;
}

void codec::adopt(const dictionary_ptr& x) {
  std::lock_guard lock{mutex_};
  adopted_[dictionary_family::hash_of(x->family())] = x;
}

void codec::forsake(std::uint32_t id) {
  std::lock_guard lock{mutex_};
  std::erase_if(adopted_, [=](auto& x) { return x.second->id() == id; });
  seen_version_.store(0, std::memory_order_relaxed);
}

std::vector<dictionary_ptr> codec::adopted() const {
  std::vector<dictionary_ptr> result;
  std::shared_lock lock{mutex_};
  result.reserve(adopted_.size());
  for (auto& [family, x] : adopted_)
    result.push_back(x);
  return result;
}

expected<dictionary_ptr> codec::add_dictionary(std::string_view stored) const {
  if (!set_)
    return failure{errc::invalid_argument, "dictionaries are switched off"};
  return set_->add(stored);
}

// -- figures ------------------------------------------------------------------

codec::figures codec::stats() const noexcept {
  auto get = [](const relaxed_counter& x) {
    return x.load(std::memory_order_relaxed);
  };
  auto& x = counters_;
  return {get(x.compressed),
          get(x.incompressible),
          get(x.raw_bytes),
          get(x.compressed_bytes),
          get(x.corrupt),
          get(x.dictionary_compressed),
          get(x.dictionary_raw_bytes),
          get(x.dictionary_compressed_bytes),
          get(x.dictionary_missing),
          get(x.compress_ns),
          get(x.decompress_ns)};
}

void codec::fill(counter_map& out, const figures& before) const {
  auto now = stats();
  auto put = [&](const char* name, std::uint64_t figures::*x) {
    out[name] = now.*x - before.*x;
  };
  put("compressed", &figures::compressed);
  put("incompressible", &figures::incompressible);
  put("raw_bytes", &figures::raw_bytes);
  put("compressed_bytes", &figures::compressed_bytes);
  put("corrupt", &figures::corrupt);
  put("compress_ns", &figures::compress_ns);
  put("decompress_ns", &figures::decompress_ns);
  if (!set_)
    return;
  put("dictionary_compressed", &figures::dictionary_compressed);
  put("dictionary_raw_bytes", &figures::dictionary_raw_bytes);
  put("dictionary_compressed_bytes", &figures::dictionary_compressed_bytes);
  put("dictionary_missing", &figures::dictionary_missing);
  std::shared_lock lock{mutex_};
  out["dictionaries_adopted"] = adopted_.size();
}

} // namespace terrace
