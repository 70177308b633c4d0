/// A store that keeps nothing: the measure for what a tier costs without its
/// engine, and a stand-in in tests. Safe to use from any thread.
#pragma once

#include "tiers/store.hpp"

namespace terrace {

class null_store final : public store {
public:
  tier_kind kind() const noexcept override {
    return tier_kind::none;
  }

  /// Every look-up is a miss.
  lookups fetch(std::span<const std::string> keys,
                std::int64_t now_ms) override;

  /// Every entry is refused.
  store_report put(std::span<const entry> xs, bool if_absent,
                   std::int64_t now_ms) override;

  remove_report remove(std::span<const removal> xs,
                       std::int64_t now_ms) override;

  expected<std::uint64_t> purge(const selector& what, version_t up_to,
                                std::int64_t now_ms) override;

  expected<key_page> list(tenant_id tenant, const std::string& glob,
                          const std::string& cursor, std::size_t budget,
                          std::int64_t now_ms) override;

  expected<std::uint64_t> count(tenant_id tenant) override;

  std::size_t sweep(std::int64_t now_ms, std::size_t budget) override;

  void describe(tier_status& out) override;
};

} // namespace terrace
