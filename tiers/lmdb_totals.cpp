#include "tiers/lmdb_totals.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace terrace {

namespace {

static_assert(sizeof(lmdb_total) == 6 * 8, "written to disk as it is");

template <class T>
std::string_view bytes_of(const T& x) noexcept {
  return {reinterpret_cast<const char*>(&x), sizeof(T)};
}

/// A row whose size is not right is as good as none.
template <class T>
T load(std::string_view bytes) noexcept {
  T result{};
  if (bytes.size() == sizeof(T))
    std::memcpy(&result, bytes.data(), sizeof(T));
  return result;
}

std::string_view tenant_group(std::string_view key) noexcept {
  return key.substr(0, tenant_prefix_size);
}

bool is_tenant(std::string_view group) noexcept {
  return group.size() == tenant_prefix_size;
}

/// Calls `f` once for each different tag.
template <class F>
void each_tag(std::span<const std::string> tags, F&& f) {
  for (auto i = tags.begin(); i != tags.end(); ++i)
    if (std::find(tags.begin(), i, *i) == i)
      f(*i);
}

void subtract(std::uint64_t& from, std::uint64_t x) noexcept {
  from -= std::min(from, x);
}

} // namespace

// -- lmdb_fences --------------------------------------------------------------

version_t lmdb_fences::of(std::string_view group) const noexcept {
  auto i = groups_.find(group);
  return i == groups_.end() ? 0 : i->second;
}

bool lmdb_fences::hides(std::string_view key,
                        const std::vector<std::string>& tags,
                        version_t version) const {
  if (groups_.empty())
    return false;
  auto tenant = tenant_group(key);
  if (version <= of(tenant))
    return true;
  if (tags.empty() || !has_tags(tenant))
    return false;
  return std::any_of(tags.begin(), tags.end(), [&](auto& tag) {
    return version <= of(lmdb_tag_group(tenant_of(key), tag));
  });
}

void lmdb_fences::set(std::string group, version_t up_to) {
  auto& at = groups_[std::move(group)];
  at = std::max(at, up_to);
}

void lmdb_fences::erase(const std::string& group) {
  groups_.erase(group);
}

std::vector<std::string> lmdb_fences::erase_tags(std::string_view tenant) {
  std::vector<std::string> result;
  auto i = groups_.upper_bound(tenant);
  while (i != groups_.end() && i->first.starts_with(tenant)) {
    result.push_back(i->first);
    i = groups_.erase(i);
  }
  return result;
}

const std::string* lmdb_fences::first() const noexcept {
  return groups_.empty() ? nullptr : &groups_.begin()->first;
}

bool lmdb_fences::has_tags(std::string_view tenant) const noexcept {
  auto i = groups_.upper_bound(tenant);
  return i != groups_.end() && i->first.starts_with(tenant);
}

// -- lmdb_totals --------------------------------------------------------------

lmdb_totals::lmdb_totals(lmdb_env& env, MDB_txn* txn, lmdb_state& state,
                         lmdb_fences fences)
  : env_(env), txn_(txn), state_(state), fences_(std::move(fences)) {
  // nop
}

lmdb_total& lmdb_totals::at(std::string_view group) {
  if (auto i = groups_.find(group); i != groups_.end())
    return i->second;
  lmdb_cursor rows{txn_, env_.tables().totals};
  lmdb_total x;
  if (rows.find(group))
    x = load<lmdb_total>(rows.value());
  return groups_.emplace(group, x).first->second;
}

/// A tag's figures, brought up to date with what cleared its tenant: all that
/// it held then is hidden, unless something newer was there already, when a
/// purge could not be written. How much of it is hidden is then not known.
lmdb_total& lmdb_totals::tag(std::string_view group, version_t tenant_fence) {
  auto& x = at(group);
  if (x.seen < tenant_fence) {
    if (x.max_version <= tenant_fence) {
      x.hidden_entries = x.entries;
      x.hidden_bytes = x.bytes;
    }
    x.seen = tenant_fence;
  }
  return x;
}

void lmdb_totals::hide(lmdb_total& x, std::uint64_t entries,
                       std::uint64_t bytes) {
  x.hidden_entries = std::min(x.entries, x.hidden_entries + entries);
  x.hidden_bytes = std::min(x.bytes, x.hidden_bytes + bytes);
  state_.hidden_entries = std::min(state_.entries,
                                   state_.hidden_entries + entries);
  state_.hidden_bytes = std::min(state_.bytes, state_.hidden_bytes + bytes);
}

void lmdb_totals::unhide(lmdb_total& x, std::uint64_t entries,
                         std::uint64_t bytes) {
  subtract(x.hidden_entries, entries);
  subtract(x.hidden_bytes, bytes);
  subtract(state_.hidden_entries, entries);
  subtract(state_.hidden_bytes, bytes);
}

void lmdb_totals::add(std::string_view key, std::span<const std::string> tags,
                      version_t version, std::uint64_t bytes) {
  auto into = [&](lmdb_total& x) {
    ++x.entries;
    x.bytes += bytes;
    x.max_version = std::max(x.max_version, version);
  };
  ++state_.entries;
  state_.bytes += bytes;
  into(at(tenant_group(key)));
  auto fence = fences_.of(tenant_group(key));
  each_tag(tags, [&](auto& name) {
    into(tag(lmdb_tag_group(tenant_of(key), name), fence));
  });
}

void lmdb_totals::drop(std::string_view key, std::span<const std::string> tags,
                       version_t version, std::uint64_t bytes) {
  auto& tenant = at(tenant_group(key));
  auto fence = fences_.of(tenant_group(key));
  auto hidden = version <= fence;
  if (hidden)
    unhide(tenant, 1, bytes);
  each_tag(tags, [&](auto& name) {
    auto group = lmdb_tag_group(tenant_of(key), name);
    auto& x = tag(group, fence);
    auto by_tag = !hidden && version <= fences_.of(group);
    if (by_tag)
      unhide(tenant, 1, bytes); // once for each tag, as it was hidden
    if (hidden || by_tag) {
      subtract(x.hidden_entries, 1);
      subtract(x.hidden_bytes, bytes);
    }
    subtract(x.entries, 1);
    subtract(x.bytes, bytes);
  });
  drop(key, bytes);
}

void lmdb_totals::drop(std::string_view key, std::uint64_t bytes) {
  auto& tenant = at(tenant_group(key));
  subtract(tenant.entries, 1);
  subtract(tenant.bytes, bytes);
  subtract(state_.entries, 1);
  subtract(state_.bytes, bytes);
  // More is hidden than there is: damaged rows have left something behind.
  unhide(tenant,
         tenant.hidden_entries
           - std::min(tenant.hidden_entries, tenant.entries),
         tenant.hidden_bytes - std::min(tenant.hidden_bytes, tenant.bytes));
}

bool lmdb_totals::clear(const std::string& group, version_t up_to) {
  auto tenant = tenant_group(group);
  auto fence = fences_.of(tenant);
  auto& x = is_tenant(group) ? at(group) : tag(group, fence);
  if (x.max_version > up_to)
    return false;
  if (x.entries == x.hidden_entries)
    return true;
  auto entries = x.live_entries();
  auto bytes = x.live_bytes();
  if (is_tenant(group)) {
    auto gone = fences_.erase_tags(group); // all of theirs is hidden now
    lifted_.insert(lifted_.end(), gone.begin(), gone.end());
  } else {
    x.hidden_entries = x.entries;
    x.hidden_bytes = x.bytes;
  }
  hide(at(tenant), entries, bytes);
  fences_.set(group, up_to);
  fences_changed_ = true;
  return true;
}

void lmdb_totals::lift(const std::string& group) {
  fences_.erase(group);
  // Damaged rows may have left something behind.
  auto& x = at(group);
  if (!is_tenant(group)) {
    unhide(at(tenant_group(group)), x.hidden_entries, x.hidden_bytes);
    x.hidden_entries = x.hidden_bytes = 0;
  } else if (!fences_.has_tags(group)) {
    unhide(x, x.hidden_entries, x.hidden_bytes);
  }
  lifted_.push_back(group);
  fences_changed_ = true;
}

lmdb_total lmdb_totals::of(std::string_view group) {
  return is_tenant(group) ? at(group)
                          : tag(group, fences_.of(tenant_group(group)));
}

void lmdb_totals::save() {
  auto put = [](lmdb_cursor& rows, std::string_view key,
                std::string_view value) {
    if (!rows.insert(key, value))
      rows.replace(key, value);
  };
  {
    lmdb_cursor rows{txn_, env_.tables().totals};
    for (auto& [group, x] : groups_) {
      if (x.entries != 0)
        put(rows, group, bytes_of(x));
      else if (rows.find(group))
        rows.erase();
    }
  }
  if (!fences_changed_)
    return;
  lmdb_cursor rows{txn_, env_.tables().fences};
  for (auto& group : lifted_)
    if (fences_.of(group) == 0 && rows.find(group))
      rows.erase();
  for (auto& [group, up_to] : fences_.all())
    put(rows, group, lmdb_integer(up_to));
}

// -- loading ------------------------------------------------------------------

std::map<tenant_id, lmdb_total> lmdb_load_tenants(lmdb_env& env) {
  std::map<tenant_id, lmdb_total> result;
  lmdb_read txn{env};
  lmdb_cursor rows{txn.native(), env.tables().totals};
  // From tenant to tenant: between them stand their tags.
  for (unsigned next = 0;
       next <= 0xffff
       && rows.find_at_least(tenant_prefix(static_cast<tenant_id>(next)));) {
    auto tenant = tenant_of(rows.key());
    if (is_tenant(rows.key()))
      result[tenant] = load<lmdb_total>(rows.value());
    next = tenant + 1u;
  }
  return result;
}

lmdb_fences lmdb_load_fences(lmdb_env& env) {
  lmdb_fences result;
  lmdb_read txn{env};
  lmdb_cursor rows{txn.native(), env.tables().fences};
  for (auto more = rows.first(); more; more = rows.next())
    result.set(std::string{rows.key()}, load<version_t>(rows.value()));
  return result;
}

} // namespace terrace
