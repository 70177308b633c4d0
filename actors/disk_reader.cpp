#include "actors/disk_reader.hpp"

namespace terrace {

namespace {

template <class T>
caf::result<T> to_result(expected<T> x) {
  if (!x)
    return make_error(x.error());
  return *std::move(x);
}

} // namespace

disk_reader_actor::behavior_type
disk_reader_state::make_behavior(lmdb_store_ptr store, now_fn now) {
  store_ = std::move(store);
  now_ = std::move(now);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  return {
    [this](fetch_atom, const keys& xs) { return store_->fetch(xs, now_()); },
    [this](probe_atom, const keys& xs) { return store_->probe(xs, now_()); },
    [this](list_atom, const list_request& x) {
      return to_result(
        store_->list(x.tenant, x.glob, x.cursor, x.budget, now_()));
    },
    [this](count_atom, tenant_id tenant) {
      return to_result(store_->count(tenant));
    },
    [this](commit_atom) { return static_cast<bool>(store_->checkpoint()); },
  };
}

disk_reader_actor::behavior_type
disk_reader(disk_reader_actor::stateful_pointer<disk_reader_state> self,
            lmdb_store_ptr store, now_fn now) {
  return self->state.make_behavior(std::move(store), std::move(now));
}

} // namespace terrace
