// A tier in a map for actor tests: answers at once, or reads at once but holds
// its answers back until the test lets them go with a `reset` message.
#pragma once

#include "messages/interfaces.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace terrace::test {

struct fake_tier {
  std::map<std::string, record> held;
  std::vector<std::string> log; ///< "fetch k", "store k", "promote k", ...
  bool hold_fetches = false;
  errc fail_stores = errc::none;
  errc fail_fetches = errc::none;
  std::vector<std::pair<lookups, caf::typed_response_promise<lookups>>> waiting;

  lookups find(const keys& xs) const {
    lookups result;
    for (auto& key : xs) {
      auto i = held.find(key);
      if (fail_fetches != errc::none)
        result.push_back(lookup::failed(fail_fetches));
      else if (i == held.end())
        result.push_back(lookup::missed());
      else
        result.push_back(lookup::found(i->second, tier_kind::disk));
    }
    return result;
  }

  std::size_t count(const std::string& line) const {
    return static_cast<std::size_t>(std::count(log.begin(), log.end(), line));
  }

  void note(std::string_view verb, const std::string& key) {
    log.push_back(std::string{verb} + " " + std::string{user_key(key)});
  }

  store_report put(std::string_view verb, const entry_batch& xs,
                   bool if_absent) {
    store_report result;
    for (auto& x : xs.get()) {
      note(verb, x.key);
      auto i = held.find(x.key);
      if (fail_stores != errc::none) {
        ++result.failed;
        result.why = {fail_stores, {}};
      } else if (i != held.end()
                 && (if_absent || i->second.version > x.data.version)) {
        ++result.refused;
      } else {
        held[x.key] = x.data;
        ++result.stored;
      }
    }
    return result;
  }
};

using fake_tier_ptr = std::shared_ptr<fake_tier>;

inline tier_actor::behavior_type fake_tier_actor(tier_actor::pointer self,
                                                 fake_tier_ptr x) {
  return {
    [=](fetch_atom, const keys& names) -> caf::result<lookups> {
      for (auto& key : names)
        x->note("fetch", key);
      if (!x->hold_fetches)
        return x->find(names);
      auto promise = self->make_response_promise<lookups>();
      x->waiting.emplace_back(x->find(names), promise);
      return promise;
    },
    [=](store_atom, const entry_batch& xs) {
      return x->put("store", xs, false);
    },
    [=](promote_atom, const entry_batch& xs) {
      return x->put("promote", xs, true);
    },
    [=](remove_atom, const removals& xs) {
      remove_report result;
      for (auto& r : xs) {
        x->note("remove", r.key);
        auto i = x->held.find(r.key);
        auto hit = i != x->held.end() && i->second.version <= r.version;
        if (hit)
          x->held.erase(i);
        result.existed.push_back(hit);
      }
      return result;
    },
    [=](purge_atom, const selector& what, version_t up_to) {
      std::uint64_t n = 0;
      for (auto i = x->held.begin(); i != x->held.end();) {
        if (i->second.version <= up_to
            && what.matches(i->first, i->second.tags)) {
          i = x->held.erase(i);
          ++n;
        } else {
          ++i;
        }
      }
      x->log.push_back("purge " + std::string{to_string(what.what)});
      return n;
    },
    [=](list_atom, const list_request& r) {
      // Two keys a page.
      key_page result;
      for (auto i = x->held.upper_bound(r.cursor); i != x->held.end(); ++i) {
        if (result.found.size() == 2) {
          result.done = false;
          result.next = result.found.back();
          break;
        }
        if (tenant_of(i->first) == r.tenant)
          result.found.push_back(i->first);
      }
      return result;
    },
    [=](count_atom, tenant_id tenant) {
      std::uint64_t n = 0;
      for (auto& [key, value] : x->held)
        n += tenant_of(key) == tenant ? 1 : 0;
      return n;
    },
    [=](status_atom) {
      tier_status result;
      result.entries = x->held.size();
      result.hits = 3;
      return result;
    },
    [=](reset_atom) {
      x->log.push_back("reset");
      auto waiting = std::move(x->waiting);
      x->waiting.clear();
      for (auto& [answer, promise] : waiting)
        promise.deliver(std::move(answer));
    },
  };
}

} // namespace terrace::test
