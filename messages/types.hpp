/// CAF's view of the vocabulary: atoms, type ids, errors, and the two inspect
/// functions that need CAF. Everything else in this room is free of CAF.
#pragma once

#include "messages/hot_key.hpp"
#include "messages/list_request.hpp"
#include "messages/mutation.hpp"
#include "messages/record.hpp"
#include "messages/selector.hpp"
#include "messages/setting.hpp"
#include "messages/status.hpp"

#include <caf/all.hpp>

namespace terrace {

// -- inspection ---------------------------------------------------------------

/// Locally a blob travels as a pointer; on the wire as its bytes.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, blob& x) {
  if constexpr (Inspector::writes_state) {
    std::string bytes;
    auto load = [&]() -> caf::error {
      x = blob::copy(bytes);
      return caf::none;
    };
    return f(bytes, caf::meta::load_callback(load));
  } else {
    std::string bytes{x.view()};
    return f(bytes);
  }
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, entry_batch& x) {
  if constexpr (Inspector::writes_state) {
    entries xs;
    auto load = [&]() -> caf::error {
      x = entry_batch{std::move(xs)};
      return caf::none;
    };
    return f(xs, caf::meta::load_callback(load));
  } else {
    return f(const_cast<entries&>(x.get()));
  }
}

// -- errors -------------------------------------------------------------------

inline constexpr auto error_category = caf::atom("terrace");

inline caf::error make_error(errc code) {
  return {static_cast<std::uint8_t>(code), error_category};
}

inline caf::error make_error(errc code, std::string detail) {
  return {static_cast<std::uint8_t>(code), error_category,
          caf::make_message(std::move(detail))};
}

inline caf::error make_error(const failure& x) {
  return make_error(x.code, x.detail);
}

/// Terrace's reading of any CAF error: errors of CAF itself are reported as
/// `timeout`, `shutting_down` or `unavailable` with CAF's own text.
failure to_failure(const caf::error& x);

/// Renders Terrace's errors; installed by `add_terrace_types`.
std::string render_error(std::uint8_t code, caf::atom_value,
                         const caf::message& context);

/// Tells a CAF configuration about all message types and errors of Terrace.
void add_terrace_types(caf::actor_system_config& cfg);

} // namespace terrace

CAF_BEGIN_TYPE_ID_BLOCK(terrace, caf::first_custom_type_id)

  CAF_ADD_TYPE_ID(terrace, (terrace::actor_status))
  CAF_ADD_TYPE_ID(terrace, (terrace::blob))
  CAF_ADD_TYPE_ID(terrace, (terrace::claim))
  CAF_ADD_TYPE_ID(terrace, (terrace::entries))
  CAF_ADD_TYPE_ID(terrace, (terrace::entry))
  CAF_ADD_TYPE_ID(terrace, (terrace::entry_batch))
  CAF_ADD_TYPE_ID(terrace, (terrace::errc))
  CAF_ADD_TYPE_ID(terrace, (terrace::failure))
  CAF_ADD_TYPE_ID(terrace, (terrace::guarded_change))
  CAF_ADD_TYPE_ID(terrace, (terrace::histogram))
  CAF_ADD_TYPE_ID(terrace, (terrace::hot_page))
  CAF_ADD_TYPE_ID(terrace, (terrace::hot_request))
  CAF_ADD_TYPE_ID(terrace, (terrace::invalidation_report))
  CAF_ADD_TYPE_ID(terrace, (terrace::key_page))
  CAF_ADD_TYPE_ID(terrace, (terrace::keys))
  CAF_ADD_TYPE_ID(terrace, (terrace::list_request))
  CAF_ADD_TYPE_ID(terrace, (terrace::lookup))
  CAF_ADD_TYPE_ID(terrace, (terrace::lookups))
  CAF_ADD_TYPE_ID(terrace, (terrace::memory_limits))
  CAF_ADD_TYPE_ID(terrace, (terrace::mutation))
  CAF_ADD_TYPE_ID(terrace, (terrace::mutation_result))
  CAF_ADD_TYPE_ID(terrace, (terrace::mutation_results))
  CAF_ADD_TYPE_ID(terrace, (terrace::mutations))
  CAF_ADD_TYPE_ID(terrace, (terrace::node_report))
  CAF_ADD_TYPE_ID(terrace, (terrace::record))
  CAF_ADD_TYPE_ID(terrace, (terrace::removal))
  CAF_ADD_TYPE_ID(terrace, (terrace::removals))
  CAF_ADD_TYPE_ID(terrace, (terrace::remove_report))
  CAF_ADD_TYPE_ID(terrace, (terrace::scan_page))
  CAF_ADD_TYPE_ID(terrace, (terrace::scan_request))
  CAF_ADD_TYPE_ID(terrace, (terrace::selector))
  CAF_ADD_TYPE_ID(terrace, (terrace::setting))
  CAF_ADD_TYPE_ID(terrace, (terrace::settings))
  CAF_ADD_TYPE_ID(terrace, (terrace::store_report))
  CAF_ADD_TYPE_ID(terrace, (terrace::tier_status))

  CAF_ADD_ATOM(terrace, terrace, abandon_atom, "abandon")
  CAF_ADD_ATOM(terrace, terrace, apply_atom, "apply")
  CAF_ADD_ATOM(terrace, terrace, beat_atom, "beat")
  CAF_ADD_ATOM(terrace, terrace, claim_atom, "claim")
  CAF_ADD_ATOM(terrace, terrace, commit_atom, "commit")
  CAF_ADD_ATOM(terrace, terrace, configure_atom, "configure")
  CAF_ADD_ATOM(terrace, terrace, count_atom, "count")
  CAF_ADD_ATOM(terrace, terrace, fence_atom, "fence")
  CAF_ADD_ATOM(terrace, terrace, fetch_atom, "fetch")
  CAF_ADD_ATOM(terrace, terrace, flush_atom, "flush")
  CAF_ADD_ATOM(terrace, terrace, forget_atom, "forget")
  CAF_ADD_ATOM(terrace, terrace, fulfil_atom, "fulfil")
  CAF_ADD_ATOM(terrace, terrace, hot_atom, "hot")
  CAF_ADD_ATOM(terrace, terrace, invalidate_atom, "invalidate")
  CAF_ADD_ATOM(terrace, terrace, lease_atom, "lease")
  CAF_ADD_ATOM(terrace, terrace, list_atom, "list")
  CAF_ADD_ATOM(terrace, terrace, look_atom, "look")
  CAF_ADD_ATOM(terrace, terrace, lookup_atom, "lookup")
  CAF_ADD_ATOM(terrace, terrace, probe_atom, "probe")
  CAF_ADD_ATOM(terrace, terrace, promote_atom, "promote")
  CAF_ADD_ATOM(terrace, terrace, purge_atom, "purge")
  CAF_ADD_ATOM(terrace, terrace, release_atom, "release")
  CAF_ADD_ATOM(terrace, terrace, remove_atom, "remove")
  CAF_ADD_ATOM(terrace, terrace, report_atom, "report")
  CAF_ADD_ATOM(terrace, terrace, reset_atom, "reset")
  CAF_ADD_ATOM(terrace, terrace, room_atom, "room")
  CAF_ADD_ATOM(terrace, terrace, scan_atom, "scan")
  CAF_ADD_ATOM(terrace, terrace, status_atom, "status")
  CAF_ADD_ATOM(terrace, terrace, stop_atom, "stop")
  CAF_ADD_ATOM(terrace, terrace, store_atom, "store")
  CAF_ADD_ATOM(terrace, terrace, swap_atom, "swap")
  CAF_ADD_ATOM(terrace, terrace, sweep_atom, "sweep")
  CAF_ADD_ATOM(terrace, terrace, tick_atom, "tick")
  CAF_ADD_ATOM(terrace, terrace, unfence_atom, "unfence")
  CAF_ADD_ATOM(terrace, terrace, wake_atom, "wake")
  CAF_ADD_ATOM(terrace, terrace, warm_atom, "warm")

CAF_END_TYPE_ID_BLOCK(terrace)
