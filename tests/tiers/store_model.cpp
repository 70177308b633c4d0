// Random operations on every engine, whose answers must be those of a model.
#define CAF_SUITE tiers.store_model

#include "tests/support/store_subject.hpp"

#include "messages/glob.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

using kind = selector::kind;

/// What a store must answer, written as plainly as can be.
class model {
public:
  bool live(const std::string& k, std::int64_t now) const {
    auto i = held_.find(k);
    return i != held_.end() && !i->second.expired(now);
  }

  const record* find(const std::string& k, std::int64_t now) const {
    return live(k, now) ? &held_.at(k) : nullptr;
  }

  bool put(const entry& x, bool if_absent, std::int64_t now) {
    if (auto* old = find(x.key, now))
      if (if_absent || old->version > x.data.version)
        return false;
    held_[x.key] = x.data;
    return true;
  }

  bool remove(const removal& x, std::int64_t now) {
    auto* old = find(x.key, now);
    if (!old || old->version > x.version)
      return false;
    held_.erase(x.key);
    return true;
  }

  std::uint64_t purge(const selector& what, version_t up_to, std::int64_t now) {
    std::uint64_t result = 0;
    std::erase_if(held_, [&](auto& x) {
      if (x.second.version > up_to || !what.matches(x.first, x.second.tags))
        return false;
      result += !x.second.expired(now);
      return true;
    });
    return result;
  }

  std::set<std::string> list(tenant_id tenant, const std::string& glob,
                             std::int64_t now) const {
    std::set<std::string> result;
    for (auto& [k, x] : held_)
      if (tenant_of(k) == tenant && !x.expired(now)
          && glob_match(glob, user_key(k)))
        result.insert(k);
    return result;
  }

private:
  std::map<std::string, record> held_;
};

/// Random operations on all engines and the model at once. Two things are left
/// out because engines may differ: writes older than a record that is gone, and
/// writes that have expired already.
class differential {
public:
  explicit differential(unsigned seed) : random_(seed) {
    // nop
  }

  void step() {
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return put();
      case 4:
        return remove();
      case 5:
        return purge();
      case 6:
        return list();
      case 7:
        now_ += static_cast<std::int64_t>(pick(20'000));
        return;
      case 8:
        for (auto& x : stores_)
          x.engine->sweep(now_, 1 + pick(50));
        return;
      default:
        return fetch();
    }
  }

private:
  std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_);
  }

  tenant_id some_tenant() {
    return static_cast<tenant_id>(pick(2));
  }

  std::string some_key() {
    static constexpr std::string_view stems[] = {"user:", "item:", "a*", ""};
    std::string name{stems[pick(4)]};
    return qualify(some_tenant(), name += std::to_string(pick(12)));
  }

  record some_record(version_t version) {
    record x;
    std::string value(pick(10) == 0 ? pick(20'000) : pick(100), 'x');
    for (auto& c : value)
      c = static_cast<char>('a' + pick(4));
    x.value = blob::copy(value);
    x.version = version;
    if (pick(3) == 0)
      x.expires_ms = now_ + minute + static_cast<std::int64_t>(pick(minute));
    for (std::size_t i = pick(3); i > 0; --i)
      x.tags.push_back("tag" + std::to_string(pick(4)));
    return x;
  }

  void put() {
    entries xs;
    const bool if_absent = pick(4) == 0;
    store_report expected;
    for (std::size_t i = 1 + pick(5); i > 0; --i) {
      auto k = some_key();
      auto* old = model_.find(k, now_);
      const bool older = old && old->version > 1 && pick(4) == 0;
      xs.push_back({k, some_record(older ? old->version - 1 : ++version_)});
      if (model_.put(xs.back(), if_absent, now_))
        ++expected.stored;
      else
        ++expected.refused;
    }
    for (auto& x : stores_)
      check(x, "put", x.engine->put(xs, if_absent, now_) == expected);
  }

  void remove() {
    removals xs;
    remove_report expected;
    for (std::size_t i = 1 + pick(3); i > 0; --i) {
      auto k = some_key();
      auto* old = model_.find(k, now_);
      const bool older = old && pick(4) == 0;
      xs.push_back({k, older ? old->version - 1 : ++version_});
      expected.existed.push_back(model_.remove(xs.back(), now_));
    }
    for (auto& x : stores_)
      check(x, "remove", x.engine->remove(xs, now_) == expected);
  }

  void purge() {
    selector what{kind::key, some_tenant(), {}};
    switch (pick(12)) {
      case 0:
        what.what = kind::all;
        break;
      case 1:
        what.what = kind::tenant;
        break;
      case 2:
      case 3:
        what = {kind::prefix, what.tenant, pick(2) ? "user:1" : "a*"};
        break;
      case 4:
      case 5:
        what = {kind::glob, what.tenant, pick(2) ? "*:[3-5]" : "u*r:?"};
        break;
      case 6:
      case 7:
      case 8:
        what = {kind::tag, what.tenant, "tag" + std::to_string(pick(4))};
        break;
      default:
        what.text = user_key(some_key());
        break;
    }
    auto up_to = version_ - std::min<version_t>(version_, pick(40));
    auto expected = model_.purge(what, up_to, now_);
    for (auto& x : stores_) {
      auto n = x.engine->purge(what, up_to, now_);
      check(x, "purge of " + to_string(what), n && *n == expected);
    }
  }

  void list() {
    static constexpr const char* globs[] = {"*", "user:*", "*1", "a\\**", "x*"};
    auto tenant = some_tenant();
    std::string glob = globs[pick(5)];
    auto expected = model_.list(tenant, glob, now_);
    for (auto& x : stores_) {
      subject s{*x.engine, now_};
      check(x, "list of " + glob, s.list(tenant, glob) == expected);
      // What has expired may still be counted.
      check(x, "count",
            s.count(tenant) >= model_.list(tenant, "*", now_).size());
    }
  }

  void fetch() {
    keys xs;
    for (std::size_t i = 1 + pick(8); i > 0; --i)
      xs.push_back(some_key());
    for (auto& x : stores_) {
      auto found = x.engine->fetch(xs, now_);
      bool same = found.size() == xs.size();
      for (std::size_t i = 0; same && i < xs.size(); ++i) {
        auto* data = model_.find(xs[i], now_);
        same = data ? found[i] == lookup::found(*data, x.engine->kind())
                    : missed(found[i]);
      }
      check(x, "fetch", same);
    }
  }

  void check(const held_store& x, const std::string& what, bool same) {
    if (!same)
      CAF_FAIL(x.name << " differs from the model: " << what);
  }

  std::mt19937 random_;
  std::vector<held_store> stores_ = real_stores();
  model model_;
  std::int64_t now_ = start_ms;
  version_t version_ = 100;
};

} // namespace

CAF_TEST(all stores answer as the model does) {
  // TERRACE_SEED repeats a failure.
  auto* given = std::getenv("TERRACE_SEED");
  auto seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                    : std::random_device{}();
  CAF_MESSAGE("TERRACE_SEED=" << seed);
  differential all{seed};
  for (int i = 0; i < 400; ++i)
    all.step();
}
