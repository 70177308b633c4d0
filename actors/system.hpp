/// The composition root: makes the actors of a node from its options, wires
/// them, watches them and ends them in order. The one file that knows all
/// actors.
#pragma once

#include "actors/cache.hpp"
#include "config/options.hpp"
#include "messages/expected.hpp"
#include "messages/setting.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace terrace {

/// A running node. Start, use and stop it from one thread; handles it gives out
/// may be used from any.
class node {
public:
  /// Called, at most once and from a thread of the node, when an actor has died
  /// for another reason than shutdown. The node no longer works then: stop it.
  using failure_callback = std::function<void(std::string)>;

  // -- constructors -----------------------------------------------------------

  /// Opens the tiers, the log and the ports as `opts` says. Errors: what the
  /// disk tier or a port says, `invalid_argument` for options that contradict
  /// each other. A Redis that is not there is no error: the node starts and
  /// asks for it again.
  static expected<std::unique_ptr<node>>
  start(const options& opts, failure_callback on_failure = {});

  node(const node&) = delete;

  node& operator=(const node&) = delete;

  /// Stops the node.
  ~node();

  // -- use --------------------------------------------------------------------

  /// A handle for the keys of one tenant.
  class cache cache(tenant_id tenant = 0) const;

  /// The port that RESP listens on (useful when it was configured as 0); zero
  /// if RESP is off. Likewise for HTTP.
  std::uint16_t resp_port() const noexcept;
  std::uint16_t http_port() const noexcept;

  /// Changes options while the node runs, all or none. Errors:
  /// `invalid_argument` with a line that says what is wrong.
  expected<void> configure(const settings& xs);

  /// Brings into force what `x` changes of the options that can be changed now,
  /// and returns the names of others in which it differs. Errors: as above.
  expected<std::vector<std::string>> reload(const options& x);

  /// What this node holds may be staler than what other nodes on the same Redis
  /// hold by at most this; it grows while they are out of touch. Zero without
  /// a backplane. From any thread.
  milliseconds staleness() const noexcept;

  /// Ends in order: ports first, then what is under way, then, with the keys of
  /// L1 kept and the disk tier's last commit, the tiers. Blocks until done.
  /// Idempotent.
  void stop();

private:
  struct parts;

  explicit node(std::unique_ptr<parts> x);

  std::unique_ptr<parts> parts_;
};

} // namespace terrace
