// The part of redis_store that sends batches and judges replies.
#include "tiers/redis_store.hpp"

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

} // namespace

// -- exchanging ---------------------------------------------------------------

bool redis_store::exchange(bool urgent) {
  if (router_.exchange(replies_, urgent))
    return true;
  last_failure_ = router_.why();
  return false;
}

void redis_store::to_all(std::initializer_list<std::string_view> command) {
  // Without any server that is known, the reply is lost, and says why.
  if (router_.undivided() || router_.servers() == 0)
    router_.to_place(0).add(command);
  else
    for (std::size_t i = 0; i < router_.servers(); ++i)
      router_.to_server(i).add(command);
}

const redis_reply* redis_store::answer(std::size_t i, reply_kind wanted,
                                       std::string_view command,
                                       std::optional<std::size_t> size) {
  auto& x = replies_[i];
  if (x.is(wanted)
      && (!size
          || *size
               == (x.is(reply_kind::array) ? x.elements.size()
                                           : x.text.size())))
    return &x;
  if (x.is(reply_kind::lost))
    last_failure_ = router_.why(i); // counted when it was lost
  else if (x.is(reply_kind::error))
    fail(translate_redis_error(x.text));
  else
    fail({errc::protocol_violation,
          "unexpected reply to " + std::string{command}});
  return nullptr;
}

failure redis_store::fail(failure why) {
  figures_->failed(why.code);
  if (why.code == errc::protocol_violation)
    router_.close();
  last_failure_ = std::move(why);
  return last_failure_;
}

failure redis_store::fail_out_of_memory() {
  // Part of the replies may be unread.
  router_.close();
  return fail({errc::no_space, "no memory for a batch"});
}

} // namespace terrace
