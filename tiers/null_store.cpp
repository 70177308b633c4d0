#include "tiers/null_store.hpp"

namespace terrace {

lookups null_store::fetch(std::span<const std::string> keys, std::int64_t) {
  return lookups(keys.size());
}

store_report null_store::put(std::span<const entry> xs, bool, std::int64_t) {
  return {0, xs.size(), 0, {}};
}

remove_report null_store::remove(std::span<const removal> xs, std::int64_t) {
  return {std::vector<bool>(xs.size()), {}};
}

expected<std::uint64_t> null_store::purge(const selector&, version_t,
                                          std::int64_t) {
  return std::uint64_t{0};
}

expected<key_page> null_store::list(tenant_id, const std::string&,
                                    const std::string&, std::size_t,
                                    std::int64_t) {
  return key_page{};
}

expected<std::uint64_t> null_store::count(tenant_id) {
  return std::uint64_t{0};
}

std::size_t null_store::sweep(std::int64_t, std::size_t budget) {
  return budget;
}

void null_store::describe(tier_status& out) {
  out.tier = tier_kind::none;
}

} // namespace terrace
