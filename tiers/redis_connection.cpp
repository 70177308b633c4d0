#include "tiers/redis_connection.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

struct free_context {
  void operator()(redisContext* x) const noexcept {
    redisFree(x);
  }
};

using context_ptr = std::unique_ptr<redisContext, free_context>;

/// Read from the socket at once, so that a pipeline's replies take few calls.
constexpr std::size_t read_size = 256 << 10;

/// What the parser's buffer may keep between pipelines.
constexpr std::size_t max_idle_size = 1 << 20;

// -- replies ------------------------------------------------------------------

/// The bytes of the replies of one pipeline, at fixed addresses.
class reply_bytes {
public:
  std::string_view copy(std::string_view x) {
    if (x.size() > left_) {
      left_ = std::max(x.size(), read_size);
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
      size_ += left_;
      next_ = blocks_.back().get();
    }
    auto* begin = next_;
    x.copy(begin, x.size());
    next_ += x.size();
    left_ -= x.size();
    return {begin, x.size()};
  }

  /// Invalidates all copies.
  void clear() noexcept {
    const bool keep = size_ == read_size;
    if (!keep) {
      blocks_.clear();
      size_ = 0;
    }
    next_ = keep ? blocks_.front().get() : nullptr;
    left_ = size_;
  }

private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t size_ = 0; /// Of all blocks.
  char* next_ = nullptr; /// Free place in the last block,
  std::size_t left_ = 0; /// of this size.
};

/// What hiredis' parser makes: replies as this room knows them.
struct reply_list {
  std::vector<redis_reply> replies; ///< one per command
  reply_bytes bytes;

  void clear() noexcept {
    replies.clear();
    bytes.clear();
  }
};

/// Adds a reply, or the next element of the one that is being read. Null if
/// there is no memory for it: hiredis knows no exceptions.
template <class Fill>
void* add_reply(const redisReadTask* task, Fill fill) noexcept {
  try {
    auto& list = *static_cast<reply_list*>(task->privdata);
    auto* parent = task->parent;
    auto& to = parent ? static_cast<redis_reply*>(parent->obj)->elements
                      : list.replies;
    auto& x = to.emplace_back();
    fill(x, list);
    return &x;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void* add_text(const redisReadTask* task, char* text, std::size_t size) {
  return add_reply(task, [&](redis_reply& x, reply_list& list) {
    x.what = task->type == REDIS_REPLY_ERROR    ? reply_kind::error
             : task->type == REDIS_REPLY_STATUS ? reply_kind::status
                                                : reply_kind::text;
    x.text = list.bytes.copy({text, size});
  });
}

void* add_array(const redisReadTask* task, int size) {
  return add_reply(task, [&](redis_reply& x, reply_list&) {
    x.what = reply_kind::array;
    // A size is only what the server says.
    x.elements.reserve(static_cast<std::size_t>(std::clamp(size, 0, 1024)));
  });
}

void* add_integer(const redisReadTask* task, long long value) {
  return add_reply(task, [&](redis_reply& x, reply_list&) {
    x.what = reply_kind::integer;
    x.integer = value;
  });
}

void* add_nil(const redisReadTask* task) {
  return add_reply(task, [](redis_reply&, reply_list&) {});
}

void leave_reply(void*) {
  // nop: the list owns it
}

redisReplyObjectFunctions reply_functions{add_text, add_array, add_integer,
                                          add_nil, leave_reply};

timeval to_timeval(milliseconds x) noexcept {
  return {static_cast<time_t>(x.count() / 1000),
          static_cast<suseconds_t>(x.count() % 1000 * 1000)};
}

} // namespace

struct redis_connection::native {
  context_ptr context;
  reply_list latest; ///< replies to the latest pipeline
  std::unique_ptr<char[]> chunk = std::make_unique_for_overwrite<char[]>(
    read_size); ///< read from the socket last
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
  return begin(x) && finish(x, replies);
}

bool redis_connection::begin(const redis_pipeline& x) {
  reused_ = native_->context != nullptr;
  renewed_ = false;
  return (reused_ || connect()) && settle(send(x), x, &redis_connection::send);
}

bool redis_connection::finish(const redis_pipeline& x,
                              std::vector<redis_reply>& replies) {
  replies.clear();
  if (!settle(receive(x), x, &redis_connection::attempt))
    return false;
  replies.swap(native_->latest.replies);
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
  // The parser fills in what it has begun.
  if (native_->context->reader->ridx < 0)
    native_->latest.clear();
  for (;;) {
    auto* context = native_->context.get();
    void* answer = nullptr;
    if (redisReaderGetReply(context->reader, &answer) != REDIS_OK) {
      reply_failed();
      return arrival::failed;
    }
    if (answer) {
      out = native_->latest.replies.back();
      return arrival::reply;
    }
    auto left = std::chrono::ceil<milliseconds>(until - clock::now());
    pollfd wanted{context->fd, POLLIN, 0};
    auto n = ::poll(&wanted, 1,
                    static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (n == 0 || (n < 0 && errno == EINTR))
      return arrival::nothing;
    if (read_more() != outcome::done)
      return arrival::failed;
  }
}

void redis_connection::close() noexcept {
  native_->context.reset();
}

bool redis_connection::settle(
  outcome result, const redis_pipeline& x,
  outcome (redis_connection::*part)(const redis_pipeline&)) {
  if (result == outcome::broken && std::exchange(reused_, false)) {
    figures_->retried();
    renewed_ = true;
    if (!connect())
      return false;
    result = (this->*part)(x);
  }
  return result == outcome::done;
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
    socket_failed(number, raw->errstr);
    return false;
  }
  raw->reader->fn = &reply_functions;
  raw->reader->privdata = &native_->latest;
  raw->reader->maxbuf = max_idle_size;
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
  auto& answers = native_->latest.replies;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto& answer = answers[i];
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
  auto result = send(x);
  return result == outcome::done ? receive(x) : result;
}

redis_connection::outcome redis_connection::send(const redis_pipeline& x) {
  native_->latest.clear();
  auto left = std::string_view{x.bytes};
  while (!left.empty()) {
    auto n = ::send(native_->context->fd, left.data(), left.size(),
                    MSG_NOSIGNAL);
    if (n >= 0)
      left.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      return socket_failed(errno, std::strerror(errno));
  }
  return outcome::done;
}

redis_connection::outcome redis_connection::receive(const redis_pipeline& x) {
  auto result = read_replies(x.commands);
  auto& replies = native_->latest.replies;
  // One complaint a pipeline: a second one mostly follows from the first.
  auto bad = std::find_if(replies.begin(), replies.end(),
                          [](const redis_reply& reply) {
                            return reply.is(reply_kind::error);
                          });
  if (bad != replies.end())
    figures_->complained(bad->text);
  // A server that has no room for a client, or does not like what it is sent,
  // says so and then closes the connection.
  if (result != outcome::done && !replies.empty()
      && replies.front().is(reply_kind::error))
    why_ = translate_redis_error(replies.front().text);
  return result;
}

redis_connection::outcome redis_connection::read_replies(std::size_t n) {
  auto* reader = native_->context->reader;
  native_->latest.replies.reserve(n);
  for (std::size_t complete = 0; complete < n;) {
    void* answer = nullptr;
    if (redisReaderGetReply(reader, &answer) != REDIS_OK)
      return reply_failed();
    if (answer)
      ++complete;
    else if (auto result = read_more(); result != outcome::done)
      return result;
  }
  return outcome::done;
}

redis_connection::outcome redis_connection::read_more() {
  auto* to = native_->chunk.get();
  auto n = ::recv(native_->context->fd, to, read_size, 0);
  while (n < 0 && errno == EINTR)
    n = ::recv(native_->context->fd, to, read_size, 0);
  if (n < 0)
    return socket_failed(errno, std::strerror(errno));
  auto* reader = native_->context->reader;
  if (n == 0) {
    constexpr auto text = "Server closed the connection";
    if (reader->ridx < 0 && reader->pos == reader->len)
      return socket_failed(ECONNRESET, text);
    return give_up({errc::protocol_violation, text});
  }
  if (redisReaderFeed(reader, to, static_cast<std::size_t>(n)) != REDIS_OK)
    return reply_failed();
  return outcome::done;
}

/// Closes the connection after a reply that hiredis could not take.
redis_connection::outcome redis_connection::reply_failed() {
  auto* reader = native_->context->reader;
  return give_up(
    {reader->err == REDIS_ERR_OOM ? errc::no_space : errc::protocol_violation,
     reader->errstr});
}

/// Translates what went wrong on the socket and closes it.
redis_connection::outcome redis_connection::socket_failed(int number,
                                                          std::string text) {
  if (number == EAGAIN || number == ETIMEDOUT || number == EINPROGRESS)
    return give_up({errc::timeout, "no answer in time: " + text});
  give_up({errc::unavailable, std::move(text)});
  const bool closed_by_server = number == EPIPE || number == ECONNRESET;
  return closed_by_server ? outcome::broken : outcome::failed;
}

redis_connection::outcome redis_connection::give_up(failure why) {
  // Nothing that is still unsent shall reach the server after the failure.
  linger hard{1, 0};
  ::setsockopt(native_->context->fd, SOL_SOCKET, SO_LINGER, &hard,
               sizeof(hard));
  native_->context.reset();
  why_ = std::move(why);
  return outcome::failed;
}

} // namespace terrace
