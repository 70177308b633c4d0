#include "tiers/lmdb_dictionaries.hpp"

#include <algorithm>
#include <cstring>

namespace terrace {

namespace {

template <class T>
std::string_view bytes_of(const T& x) noexcept {
  return {reinterpret_cast<const char*>(&x), sizeof(T)};
}

std::uint64_t count_in(std::string_view bytes) noexcept {
  std::uint64_t result = 0;
  std::memcpy(&result, bytes.data(), std::min(bytes.size(), sizeof(result)));
  return result;
}

} // namespace

void lmdb_dictionaries::load(lmdb_env& env) {
  if (!codec_.has_dictionaries())
    return;
  lmdb_read txn{env};
  lmdb_cursor rows{txn, env.tables().dictionaries};
  for (auto more = rows.first(); more; more = rows.next()) {
    auto x = codec_.add_dictionary(rows.value());
    if (!x)
      continue;
    kept_.emplace((*x)->id(), *x);
    codec_.adopt(*x);
  }
}

std::vector<dictionary_ptr> lmdb_dictionaries::wanted() {
  if (!codec_.wants_any())
    return {};
  auto result = codec_.wanted();
  std::erase_if(result, [this](auto& x) {
    auto there = kept_.count(x->id()) > 0;
    if (there)
      codec_.adopt(x);
    return there;
  });
  return result;
}

void lmdb_dictionaries::put(lmdb_write& txn, const lmdb_tables& tables,
                            const dictionary_ptr& x) {
  lmdb_cursor rows{txn.native(), tables.dictionaries};
  auto id = x->id();
  auto stored = x->stored();
  if (!rows.insert(bytes_of(id), stored))
    rows.replace(bytes_of(id), stored);
}

void lmdb_dictionaries::kept(const dictionary_ptr& x) {
  kept_[x->id()] = x;
  codec_.adopt(x);
}

std::vector<std::uint32_t> lmdb_dictionaries::unused(lmdb_env& env) const {
  std::vector<std::uint32_t> result;
  auto adopted = codec_.adopted();
  if (kept_.size() <= adopted.size())
    return result;
  lmdb_read txn{env};
  for (auto& [id, x] : kept_) {
    std::string_view bytes;
    auto in_use = std::any_of(adopted.begin(), adopted.end(),
                              [&](auto& y) { return y->id() == id; });
    if (!in_use
        && (!txn.get(env.tables().uses, bytes_of(id), bytes)
            || count_in(bytes) == 0))
      result.push_back(id);
  }
  return result;
}

void lmdb_dictionaries::erase(lmdb_write& txn, const lmdb_tables& tables,
                              std::uint32_t id) {
  for (auto table : {tables.dictionaries, tables.uses}) {
    lmdb_cursor rows{txn.native(), table};
    if (rows.find(bytes_of(id)))
      rows.erase();
  }
}

void lmdb_dictionaries::dropped(std::uint32_t id) {
  kept_.erase(id);
}

void lmdb_dictionaries::clear() {
  for (auto& x : codec_.adopted())
    codec_.forsake(x->id());
  kept_.clear();
}

void lmdb_save_uses(lmdb_write& txn, const lmdb_tables& tables,
                    const lmdb_uses& changes) {
  if (changes.empty())
    return;
  lmdb_cursor rows{txn.native(), tables.uses};
  for (auto& [id, change] : changes) {
    std::int64_t n = change;
    auto there = rows.find(bytes_of(id));
    if (there)
      n += static_cast<std::int64_t>(count_in(rows.value()));
    auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
    if (there)
      rows.replace(bytes_of(id), bytes_of(count));
    else
      rows.insert(bytes_of(id), bytes_of(count));
  }
}

} // namespace terrace
