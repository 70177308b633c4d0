#include "tiers/redis_connection.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

struct free_context {
  void operator()(redisContext* x) const noexcept {
    redisFree(x);
  }
};

struct free_reply {
  void operator()(redisReply* x) const noexcept {
    freeReplyObject(x);
  }
};

using context_ptr = std::unique_ptr<redisContext, free_context>;
using reply_ptr = std::unique_ptr<redisReply, free_reply>;

redis_reply view_of(const redisReply& x) {
  std::string_view text{x.str ? x.str : "", x.str ? x.len : 0};
  switch (x.type) {
    case REDIS_REPLY_STRING:
      return {reply_kind::text, text, 0, {}};
    case REDIS_REPLY_STATUS:
      return {reply_kind::status, text, 0, {}};
    case REDIS_REPLY_ERROR:
      return {reply_kind::error, text, 0, {}};
    case REDIS_REPLY_INTEGER:
      return {reply_kind::integer, {}, x.integer, {}};
    case REDIS_REPLY_ARRAY: {
      redis_reply result{reply_kind::array, {}, 0, {}};
      result.elements.reserve(x.elements);
      for (std::size_t i = 0; i < x.elements; ++i)
        result.elements.push_back(view_of(*x.element[i]));
      return result;
    }
    default:
      return {};
  }
}

timeval to_timeval(milliseconds x) noexcept {
  return {static_cast<time_t>(x.count() / 1000),
          static_cast<suseconds_t>(x.count() % 1000 * 1000)};
}

} // namespace

struct redis_connection::native {
  context_ptr context;
  std::vector<reply_ptr> replies; ///< one per command of the latest pipeline
};

// -- constructors -------------------------------------------------------------

redis_connection::redis_connection(const redis_options& opts,
                                   redis_address where, std::string client_name,
                                   std::shared_ptr<redis_figures> figures)
  : where_(std::move(where)),
    connect_timeout_(opts.connect_timeout),
    command_timeout_(opts.command_timeout),
    client_name_(std::move(client_name)),
    figures_(std::move(figures)),
    native_(std::make_unique<native>()) {
  // nop
}

redis_connection::~redis_connection() = default;

// -- use ----------------------------------------------------------------------

bool redis_connection::exchange(const redis_pipeline& x,
                                std::vector<redis_reply>& replies) {
  replies.clear();
  const bool reused = native_->context != nullptr;
  if (!reused && !connect())
    return false;
  auto result = attempt(x);
  if (result == outcome::broken && reused) {
    figures_->retried();
    if (!connect())
      return false;
    result = attempt(x);
  }
  if (result != outcome::done)
    return false;
  replies.reserve(native_->replies.size());
  for (auto& reply : native_->replies)
    replies.push_back(view_of(*reply));
  return true;
}

redis_connection::arrival redis_connection::await(milliseconds limit,
                                                  redis_reply& out) {
  if (!native_->context) {
    why_ = {errc::unavailable, "not connected"};
    return arrival::failed;
  }
  using clock = std::chrono::steady_clock;
  auto until = clock::now() + limit;
  native_->replies.clear();
  for (;;) {
    auto* context = native_->context.get();
    void* answer = nullptr;
    errno = 0;
    if (redisReaderGetReply(context->reader, &answer) != REDIS_OK) {
      context->err = context->reader->err;
      socket_failed(errno);
      return arrival::failed;
    }
    if (answer) {
      native_->replies.emplace_back(static_cast<redisReply*>(answer));
      out = view_of(*native_->replies.back());
      return arrival::reply;
    }
    auto left = std::chrono::ceil<milliseconds>(until - clock::now());
    pollfd wanted{context->fd, POLLIN, 0};
    auto n = ::poll(&wanted, 1,
                    static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (n == 0 || (n < 0 && errno == EINTR))
      return arrival::nothing;
    errno = 0;
    if (redisBufferRead(context) != REDIS_OK) {
      socket_failed(errno);
      return arrival::failed;
    }
  }
}

void redis_connection::close() noexcept {
  native_->context.reset();
}

bool redis_connection::connect() {
  auto limit = to_timeval(connect_timeout_);
  errno = 0;
  auto* raw = where_.path.empty()
                ? redisConnectWithTimeout(where_.host.c_str(), where_.port,
                                          limit)
                : redisConnectUnixWithTimeout(where_.path.c_str(), limit);
  auto number = errno;
  native_->context.reset(raw);
  if (!native_->context) {
    why_ = {errc::no_space, "no memory for a connection"};
    return false;
  }
  if (native_->context->err) {
    socket_failed(number);
    return false;
  }
  redisSetTimeout(raw, to_timeval(command_timeout_));
  if (where_.path.empty())
    redisEnableKeepAlive(raw);
  if (!log_in())
    return false;
  figures_->connected(std::exchange(was_connected_, true));
  return true;
}

bool redis_connection::log_in() {
  redis_pipeline hello;
  if (!where_.user.empty())
    hello.add({"AUTH", where_.user, where_.password});
  else if (!where_.password.empty())
    hello.add({"AUTH", where_.password});
  if (where_.db != 0)
    hello.add({"SELECT", std::to_string(where_.db)});
  const auto needed = hello.commands;
  hello.add({"CLIENT", "SETNAME", client_name_});
  if (attempt(hello) != outcome::done)
    return false;
  for (std::size_t i = 0; i < native_->replies.size(); ++i) {
    auto answer = view_of(*native_->replies[i]);
    auto problem = answer.is(reply_kind::error)
                     ? translate_redis_error(answer.text)
                     : failure{};
    // The name is a label for operators, and a server may forbid it. But a
    // server that has no room for a client says so in its first answer,
    // whatever was asked.
    if (problem && (i < needed || problem.code == errc::overloaded)) {
      native_->context.reset();
      why_ = std::move(problem);
      return false;
    }
  }
  return true;
}

redis_connection::outcome redis_connection::attempt(const redis_pipeline& x) {
  native_->replies.clear();
  auto left = std::string_view{x.bytes};
  while (!left.empty()) {
    auto n = ::send(native_->context->fd, left.data(), left.size(),
                    MSG_NOSIGNAL);
    if (n >= 0)
      left.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      return socket_failed(errno);
  }
  native_->replies.reserve(x.commands);
  while (native_->replies.size() < x.commands) {
    void* answer = nullptr;
    errno = 0;
    if (redisGetReply(native_->context.get(), &answer) != REDIS_OK)
      return socket_failed(errno);
    native_->replies.emplace_back(static_cast<redisReply*>(answer));
  }
  return outcome::done;
}

/// Translates what went wrong on the socket and closes it.
redis_connection::outcome redis_connection::socket_failed(int number) {
  auto what = native_->context->err;
  auto* reader = native_->context->reader;
  const bool half_a_reply = reader
                            && (reader->ridx >= 0 || reader->pos < reader->len);
  std::string text = what ? native_->context->errstr : std::strerror(number);
  // Nothing that is still unsent shall reach the server after the failure.
  linger hard{1, 0};
  ::setsockopt(native_->context->fd, SOL_SOCKET, SO_LINGER, &hard,
               sizeof(hard));
  native_->context.reset();
  if (what == REDIS_ERR_PROTOCOL || (what == REDIS_ERR_EOF && half_a_reply)) {
    why_ = {errc::protocol_violation, std::move(text)};
    return outcome::failed;
  }
  if (number == EAGAIN || number == ETIMEDOUT || number == EINPROGRESS) {
    why_ = {errc::timeout, "no answer in time: " + text};
    return outcome::failed;
  }
  why_ = {errc::unavailable, std::move(text)};
  const bool closed_by_server = what == REDIS_ERR_EOF || number == EPIPE
                                || number == ECONNRESET;
  return closed_by_server ? outcome::broken : outcome::failed;
}

} // namespace terrace
