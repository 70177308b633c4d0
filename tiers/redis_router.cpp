// Places, lanes and rounds; what happens to commands that a server does not
// take is in redis_redirect.cpp.
#include "tiers/redis_router.hpp"

#include "tiers/redis_slots.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

using std::chrono::steady_clock;

/// Changes of server without a pause, after which a batch gives up. Source of
/// the number: redis-cli and most clients.
constexpr int max_hops = 5;

/// The first pause; each is twice as long as the one before.
constexpr std::chrono::milliseconds first_pause{2};

constexpr std::size_t many_keys = 128;

/// True if a server that answers so is of no use at the moment, whatever it is
/// asked.
bool useless(const redis_reply& x) {
  if (!x.is(redis_reply::kind::error))
    return false;
  for (auto of_one_key : {"TRYAGAIN", "NOSCRIPT", "CLUSTERDOWN Hash slot"})
    if (x.text.starts_with(of_one_key))
      return false;
  auto code = translate_redis_error(x.text).code;
  return code == errc::unavailable || code == errc::auth_failed
         || code == errc::overloaded;
}

} // namespace

// -- constructors -------------------------------------------------------------

redis_router::redis_router(const redis_options& opts,
                           std::shared_ptr<redis_topology> topology,
                           std::shared_ptr<redis_figures> figures,
                           std::string client_name)
  : opts_(opts),
    topology_(std::move(topology)),
    figures_(std::move(figures)),
    client_name_(std::move(client_name)) {
  follow_topology();
}

redis_router::~redis_router() = default;

// -- a batch ------------------------------------------------------------------

void redis_router::clear() {
  commands_.clear();
  whys_.assign(1, {});
  for (auto& x : lanes_) {
    x.pipeline.clear();
    x.owners.clear();
  }
  nowhere_.pipeline.clear();
  nowhere_.owners.clear();
  topology_->refresh(steady_clock::now());
  if (version_ != topology_->version())
    follow_topology();
}

std::uint32_t redis_router::place_of(std::string_view name) const noexcept {
  if (map_->shards)
    return static_cast<std::uint32_t>(map_->shards->owner(name));
  return topology_->mode() == redis_mode::cluster ? redis_slot_of(name) : 0;
}

std::optional<redis_address>
redis_router::home_of(std::string_view name) const {
  auto lane = lane_of(place_of(name));
  if (lane == nobody)
    return std::nullopt;
  return lanes_[lane].node->where();
}

std::size_t redis_router::keys_per_command() const noexcept {
  return topology_->mode() == redis_mode::cluster ? 1 : many_keys;
}

redis_pipeline& redis_router::to_place(std::uint32_t place) {
  return begin_command(place, lane_of(place));
}

redis_pipeline& redis_router::to_server(std::size_t index) {
  return begin_command(nobody, static_cast<std::uint32_t>(index));
}

bool redis_router::exchange(std::vector<redis_reply>& replies, bool urgent) {
  replies.assign(commands_.size(), {});
  kept_.clear();
  retries_.clear();
  deadline_ = steady_clock::now() + opts_.command_timeout;
  pause_ = first_pause;
  transfer(replies, urgent);
  for (int hops = 0; hops < max_hops; ++hops) {
    look_for_retries(replies);
    const bool later = std::any_of(retries_.begin(), retries_.end(),
                                   [](auto& x) { return x.later; });
    if (later && pause())
      --hops;
    if (retries_.empty())
      break;
    keep(replies);
    send_retries();
    transfer(replies, urgent);
  }
  return !why();
}

const failure& redis_router::why() const noexcept {
  if (whys_.size() > 1)
    for (auto& x : commands_)
      if (x.why != 0)
        return whys_[x.why];
  return whys_.front();
}

const failure& redis_router::why(std::size_t i) const noexcept {
  return whys_[commands_[i].why];
}

// -- servers ------------------------------------------------------------------

void redis_router::close() noexcept {
  for (auto& x : lanes_)
    x.link.reset();
}

void redis_router::follow_topology() {
  version_ = topology_->version();
  map_ = topology_->map();
  std::vector<lane> next(map_->servers.size());
  for (std::size_t i = 0; i < next.size(); ++i) {
    next[i].node = map_->servers[i];
    for (auto& old : lanes_)
      if (old.node == next[i].node)
        next[i].link = std::move(old.link);
  }
  lanes_ = std::move(next);
}

std::uint32_t redis_router::lane_of(std::uint32_t place) const noexcept {
  if (topology_->mode() != redis_mode::cluster)
    return place < servers() ? place : nobody;
  if (place >= map_->slots.size() || map_->slots[place] == redis_map::nobody)
    return nobody;
  return map_->slots[place];
}

std::uint32_t redis_router::lane_at(const redis_address& where) {
  auto name = redis_node_name(where);
  auto i = std::find_if(lanes_.begin(), lanes_.end(),
                        [&](const lane& x) { return x.node->name() == name; });
  auto result = static_cast<std::uint32_t>(i - lanes_.begin());
  // A server without slots, which is about to be given its first.
  if (i == lanes_.end())
    lanes_.emplace_back().node = topology_->node_at(where);
  return result;
}

redis_pipeline& redis_router::begin_command(std::uint32_t place,
                                            std::uint32_t lane) {
  auto& to = at(lane);
  to.owners.push_back(static_cast<std::uint32_t>(commands_.size()));
  commands_.push_back({place, lane, to.pipeline.bytes.size()});
  return to.pipeline;
}

// -- a round ------------------------------------------------------------------

void redis_router::transfer(std::vector<redis_reply>& replies, bool urgent) {
  for (auto& x : lanes_)
    if (!x.owners.empty())
      send(x, replies, urgent);
  for (auto& x : lanes_)
    if (std::exchange(x.sent, false))
      receive(x, replies);
  if (nowhere_.owners.empty())
    return;
  auto why = topology_->why();
  lose(nowhere_,
       why ? why : failure{errc::unavailable, "no server is known for a key"},
       replies);
}

void redis_router::send(lane& to, std::vector<redis_reply>& replies,
                        bool urgent) {
  if (topology_->divided() && !to.node->admit(steady_clock::now(), urgent))
    return lose(to, to.node->reason(), replies);
  if (!to.link)
    to.link = std::make_unique<redis_connection>(opts_, to.node->where(),
                                                 client_name_, figures_);
  to.sent = to.link->begin(to.pipeline);
  if (!to.sent)
    fail(to, to.link->why(), replies);
}

void redis_router::receive(lane& from, std::vector<redis_reply>& replies) {
  if (!from.link->finish(from.pipeline, part_))
    return fail(from, from.link->why(), replies);
  // A master that is made a replica closes its connections.
  if (from.link->renewed())
    topology_->suspect();
  if (topology_->divided()) {
    // In later rounds it is asked only what it could not answer before.
    if (!useless(part_.front()))
      from.node->answered();
    else if (retries_.empty() || from.node->down())
      from.node->failed(translate_redis_error(part_.front().text),
                        steady_clock::now());
  }
  for (std::size_t i = 0; i < from.owners.size(); ++i)
    if (from.owners[i] != nobody)
      replies[from.owners[i]] = std::move(part_[i]);
}

void redis_router::fail(lane& x, failure why,
                        std::vector<redis_reply>& replies) {
  if (topology_->divided()) {
    x.node->failed(why, steady_clock::now());
    why.detail = x.node->name() + ": " + why.detail;
  }
  topology_->suspect();
  lose(x, std::move(why), replies);
}

void redis_router::lose(lane& x, failure why,
                        std::vector<redis_reply>& replies) {
  figures_->failed(why.code);
  for (auto i : x.owners)
    if (i != nobody) {
      replies[i] = {redis_reply::kind::lost, {}, 0, {}};
      commands_[i].why = whys_.size();
    }
  whys_.push_back(std::move(why));
}

} // namespace terrace
