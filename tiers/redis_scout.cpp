#include "tiers/redis_scout.hpp"

#include "tiers/redis_connection.hpp"
#include "tiers/redis_node.hpp"

#include <charconv>
#include <optional>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// A connection for one question.
class question {
public:
  question(const redis_options& opts, redis_address where,
           std::shared_ptr<redis_figures> figures)
    : link_(opts, std::move(where), "terrace-scout", std::move(figures)) {
    // nop
  }

  /// The answer, which is valid as long as this object, or why there is none.
  expected<const redis_reply*>
  ask(std::initializer_list<std::string_view> command) {
    redis_pipeline pipeline;
    pipeline.add(command);
    if (!link_.exchange(pipeline, replies_))
      return link_.why();
    if (replies_[0].is(reply_kind::error))
      return translate_redis_error(replies_[0].text);
    return &replies_[0];
  }

private:
  redis_connection link_;
  std::vector<redis_reply> replies_;
};

std::optional<std::uint16_t> read_port(std::string_view text) noexcept {
  std::uint16_t result = 0;
  auto* last = text.data() + text.size();
  auto [end, ec] = std::from_chars(text.data(), last, result);
  if (ec != std::errc{} || end != last || result == 0)
    return std::nullopt;
  return result;
}

bool is_number(const redis_reply& x, std::int64_t max) noexcept {
  return x.is(reply_kind::integer) && x.integer >= 0 && x.integer <= max;
}

} // namespace

expected<std::vector<redis_slot_range>>
read_slot_ranges(const redis_reply& x, const std::string& asked) {
  failure odd{errc::protocol_violation, "unexpected reply to CLUSTER SLOTS"};
  if (!x.is(reply_kind::array))
    return odd;
  std::vector<redis_slot_range> result;
  for (auto& range : x.elements) {
    // First slot, last slot, the master, its replicas.
    auto& parts = range.elements;
    if (parts.size() < 3 || !is_number(parts[0], 16383)
        || !is_number(parts[1], 16383) || parts[0].integer > parts[1].integer)
      return odd;
    auto& master = parts[2].elements;
    if (master.size() < 2 || !is_number(master[1], 65535))
      return odd;
    std::string host{master[0].text};
    result.push_back({static_cast<std::uint16_t>(parts[0].integer),
                      static_cast<std::uint16_t>(parts[1].integer),
                      host.empty() ? asked : std::move(host),
                      static_cast<std::uint16_t>(master[1].integer)});
  }
  return result;
}

expected<std::vector<redis_slot_range>>
redis_scout::slots(const redis_address& node) {
  question to_node{opts_, node, figures_};
  auto answer = to_node.ask({"CLUSTER", "SLOTS"});
  if (!answer)
    return answer.error();
  return read_slot_ranges(**answer, node.host);
}

expected<redis_address> redis_scout::master(const redis_address& sentinel) {
  redis_address bare;
  bare.host = sentinel.host;
  bare.port = sentinel.port;
  question to_sentinel{opts_, bare, figures_};
  auto answer
    = to_sentinel.ask({"SENTINEL", "get-master-addr-by-name", opts_.master});
  if (!answer)
    return answer.error();
  auto& parts = (*answer)->elements;
  if (parts.size() != 2)
    return failure{errc::unavailable,
                   "the sentinel knows no master " + opts_.master};
  auto port = read_port(parts[1].text);
  if (!port)
    return failure{errc::protocol_violation, "unexpected reply to SENTINEL"};
  auto result = sentinel;
  result.host = parts[0].text;
  result.port = *port;
  // The sentinels may not have agreed on a failover yet.
  question to_master{opts_, result, figures_};
  auto role = to_master.ask({"ROLE"});
  if (!role)
    return role.error();
  auto& words = (*role)->elements;
  if (words.empty() || words[0].text != "master")
    return failure{errc::unavailable,
                   redis_node_name(result) + " is no master"};
  return result;
}

} // namespace terrace
