/// One connection to a Redis server, which is made when it is needed.
///
/// A batch that finds its connection closed by the other side is sent once more
/// over a new one. Nothing is retried after a timeout, and any time limit that
/// passes closes the connection, because later replies would be out of step.
///
/// Source: hiredis 0.14, which no other file knows.
#pragma once

#include "config/options.hpp"
#include "tiers/redis_figures.hpp"
#include "tiers/redis_protocol.hpp"
#include "tiers/redis_url.hpp"

#include <memory>
#include <string>
#include <vector>

namespace terrace {

/// One thread at a time.
class redis_connection {
public:
  // -- constructors -----------------------------------------------------------

  /// Takes the time limits of `opts`. `client_name`: a label for operators.
  redis_connection(const redis_options& opts, redis_address where,
                   std::string client_name,
                   std::shared_ptr<redis_figures> figures);

  ~redis_connection();

  // -- use --------------------------------------------------------------------

  /// Sends `x` and reads one reply per command into `replies`, which are views
  /// that hold until the next call. False if that failed, see `why`.
  bool exchange(const redis_pipeline& x, std::vector<redis_reply>& replies);

  /// The two halves of `exchange`, for work with several servers at a time: the
  /// first sends, the second reads. Both take the same pipeline.
  bool begin(const redis_pipeline& x);

  bool finish(const redis_pipeline& x, std::vector<redis_reply>& replies);

  /// True if the latest exchange found the connection closed and was done over
  /// a new one: the server may have been restarted, or have another role.
  bool renewed() const noexcept {
    return renewed_;
  }

  enum class arrival { reply, nothing, failed };

  /// Waits for something that the server sends by itself, as to a subscriber,
  /// for at most `limit`. `out` is a view that holds until the next call. A
  /// closed connection is a failure: it is not made anew.
  arrival await(milliseconds limit, redis_reply& out);

  /// What went wrong in `exchange`, its halves, or `await`.
  const failure& why() const noexcept {
    return why_;
  }

  /// The next exchange begins with a new connection.
  void close() noexcept;

private:
  enum class outcome { done, broken, failed };

  struct native;

  bool connect();

  bool log_in();

  /// Deals with what became of a part of the exchange: on a connection that
  /// had been closed, all is done again over a new one, once. `part` is the
  /// function that does it.
  bool settle(outcome result, const redis_pipeline& x,
              outcome (redis_connection::*part)(const redis_pipeline&));

  outcome attempt(const redis_pipeline& x);

  outcome send(const redis_pipeline& x);

  outcome receive(const redis_pipeline& x);

  outcome read_replies(std::size_t n);

  /// Gives the parser what the socket has, once it has something.
  outcome read_more();

  outcome reply_failed();

  outcome socket_failed(int number, std::string text);

  outcome give_up(failure why);

  redis_address where_;
  milliseconds connect_timeout_;
  milliseconds command_timeout_;
  std::string client_name_;
  std::shared_ptr<redis_figures> figures_;
  std::unique_ptr<native> native_;
  bool was_connected_ = false;
  bool reused_ = false;  /// The connection is older than this exchange.
  bool renewed_ = false; /// It was, and another has taken its place.
  failure why_;
};

} // namespace terrace
