#include "tools/bench/net_connection.hpp"

#include <hiredis/hiredis.h>

#include <fcntl.h>

#include <array>

namespace terrace::bench {

struct net_connection::impl {
  explicit impl(redisContext* x) : context(x) {
    // nop
  }

  impl(const impl&) = delete;

  ~impl() {
    redisFree(context);
  }

  failure why() const {
    return {errc::unavailable, context->errstr};
  }

  redisContext* context;
};

net_connection::net_connection(std::unique_ptr<impl> x) : impl_(std::move(x)) {
  // nop
}

net_connection::net_connection(net_connection&&) noexcept = default;

net_connection::~net_connection() = default;

expected<net_connection> net_connection::open(const endpoint& to) {
  auto* context = redisConnectWithTimeout(to.host.c_str(), to.port, {5, 0});
  if (!context)
    return failure{errc::unavailable, "out of memory"};
  net_connection result{std::make_unique<impl>(context)};
  if (context->err)
    return failure{errc::unavailable, "cannot reach " + to.host + ':'
                                        + std::to_string(to.port) + ": "
                                        + context->errstr};
  // Connecting was to block, using it is not.
  auto flags = ::fcntl(context->fd, F_GETFL);
  ::fcntl(context->fd, F_SETFL, flags | O_NONBLOCK);
  context->flags &= ~REDIS_BLOCK;
  return result;
}

int net_connection::fd() const noexcept {
  return impl_->context->fd;
}

void net_connection::add_get(std::string_view key) {
  std::array<const char*, 2> data{"GET", key.data()};
  std::array<std::size_t, 2> sizes{3, key.size()};
  redisAppendCommandArgv(impl_->context, 2, data.data(), sizes.data());
  ++open_;
}

void net_connection::add_set(std::string_view key, std::string_view value) {
  std::array<const char*, 3> data{"SET", key.data(), value.data()};
  std::array<std::size_t, 3> sizes{3, key.size(), value.size()};
  redisAppendCommandArgv(impl_->context, 3, data.data(), sizes.data());
  ++open_;
}

expected<void> net_connection::start() {
  started_ = clock::now();
  sending_ = true;
  return flush();
}

expected<void> net_connection::flush() {
  int done = 0;
  if (redisBufferWrite(impl_->context, &done) != REDIS_OK)
    return impl_->why();
  sending_ = done == 0;
  return {};
}

expected<void> net_connection::go_on(bool readable, answers& out) {
  if (sending_)
    if (auto x = flush(); !x)
      return x;
  if (!readable)
    return {};
  if (redisBufferRead(impl_->context) != REDIS_OK)
    return impl_->why();
  while (open_ > 0) {
    void* raw = nullptr;
    if (redisGetReplyFromReader(impl_->context, &raw) != REDIS_OK)
      return impl_->why();
    if (!raw)
      break;
    auto* reply = static_cast<redisReply*>(raw);
    --open_;
    out.hits += reply->type == REDIS_REPLY_STRING;
    out.misses += reply->type == REDIS_REPLY_NIL;
    out.errors += reply->type == REDIS_REPLY_ERROR;
    freeReplyObject(reply);
  }
  return {};
}

} // namespace terrace::bench
