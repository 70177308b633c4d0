// The gateway's way from bytes to executed requests.

#include "actors/resp/gateway.hpp"

namespace terrace::resp {

namespace {

/// Requests that are parsed before the first of them is executed: enough to
/// hide the wait for memory, few enough for what was fetched to stay in the
/// cache.
constexpr std::size_t requests_ahead = 64;

/// Sizes of a read. CAF fills the buffer with zeros before each one, so small
/// requests should not pay for large buffers.
constexpr std::uint32_t smallest_read = 2 * 1024;
constexpr std::uint32_t largest_read = 64 * 1024;

/// Reads in a row that must have been small before the buffer shrinks.
constexpr std::uint32_t patience = 64;

/// Times in a row that a session may fill its output and have the socket take
/// all of it. Then the others get their turn.
constexpr int most_turns = 4;

/// Bytes that may wait in the session's buffer for requests under way.
constexpr std::size_t most_waiting = 64 * 1024;

} // namespace

void gateway::received(caf::io::new_data_msg& x) {
  auto* s = find(x.handle);
  if (!s || s->closing)
    return;
  counters_.net_in_bytes += x.buf.size();
  s->info->last_ms.store(shared_->services.now(), std::memory_order_relaxed);
  adapt_read_size(*s, x.buf.size());
  if (!s->in.empty()) {
    s->in.append({x.buf.data(), x.buf.size()});
  } else {
    // The usual case: whole requests, parsed where CAF has put them.
    std::span<char> bytes{x.buf};
    auto used = execute(*s, bytes);
    s->in.append({bytes.data() + used, bytes.size() - used});
    const bool full = s->unsent() >= opts_.resp.output_soft_limit;
    write_out(*s);
    if (!full || s->unsent() > 0) {
      regulate(*s);
      send_batches();
      return;
    }
  }
  go_on(*s);
  send_batches();
}

void gateway::go_on(session& s) {
  for (int turn = 0;; ++turn) {
    if (!s.in.empty() && !s.closing)
      s.in.erase_front(execute(s, s.in.span()));
    // Full output ended the execution. If the socket takes all of it at once,
    // no event will come to go on with.
    const bool full = s.unsent() >= opts_.resp.output_soft_limit;
    if (full && turn == most_turns && s.in_kernel_queue == 0) {
      hand_over(s);
      break;
    }
    write_out(s);
    if (!full || s.unsent() > 0 || s.shut)
      break;
  }
  regulate(s);
}

void gateway::adapt_read_size(session& s, std::size_t size) {
  auto chunk = s.read_chunk;
  if (chunk == 0) {
    chunk = smallest_read;
  } else if (size >= chunk) {
    chunk = std::min(chunk * 4, largest_read);
    s.small_reads = 0;
  } else if (size * 4 > chunk) {
    s.small_reads = 0;
  } else if (chunk > smallest_read && ++s.small_reads >= patience) {
    chunk /= 4;
    s.small_reads = 0;
  }
  if (chunk != s.read_chunk) {
    s.read_chunk = std::max(chunk, smallest_read);
    configure_read(caf::io::connection_handle::from_int(s.info->fd),
                   caf::io::receive_policy::at_most(s.read_chunk));
  }
}

parser::outcome gateway::parse(session& s, std::span<char> in) {
  auto& x = parsed_;
  x.args.clear();
  x.marks.clear();
  x.requests.clear();
  x.bytes = 0;
  auto& limits = opts_.resp;
  parse_limits bounds{limits.max_request_size, limits.max_request_size,
                      !s.authenticated};
  auto result = parser::outcome::incomplete;
  while (x.marks.size() < requests_ahead) {
    result = s.parser.next(in.subspan(x.bytes), bounds, x.args);
    if (result != parser::outcome::complete
        && result != parser::outcome::nothing)
      break;
    x.bytes += s.parser.consumed();
    if (result == parser::outcome::nothing)
      continue;
    x.marks.push_back({x.args.size(), x.bytes});
    auto first = x.marks.size() > 1 ? x.marks[x.marks.size() - 2].args_end : 0;
    auto* what = find_command(x.args[first]);
    x.requests.push_back({what, {}, 0, false});
    // What comes next may mean something else then, or overwrite this one.
    if (s.parser.was_inline() || (what && what->is(flag::session_change)))
      break;
  }
  std::size_t first = 0;
  for (std::size_t i = 0; i < x.marks.size(); ++i) {
    x.requests[i].args = arguments{x.args}.subspan(first,
                                                   x.marks[i].args_end - first);
    first = x.marks[i].args_end;
  }
  return result;
}

std::size_t gateway::execute(session& s, std::span<char> in) {
  auto soft_limit = opts_.resp.output_soft_limit;
  std::size_t used = 0;
  auto now = shared_->services.now();
  s.waiting = false;
  if (s.out.capacity() == 0)
    std::swap(s.out, spare_);
  while (!s.blocked && !s.closing && s.unsent() < soft_limit) {
    auto outcome = parse(s, in.subspan(used));
    auto& requests = parsed_.requests;
    std::size_t finished = 0;
    if (!requests.empty()) {
      executor_.prepare(s, requests);
      if (auto* last = requests.back().what)
        s.info->last_command.store(last->name.data(),
                                   std::memory_order_relaxed);
      auto pinned = view_.pin();
      while (finished < requests.size() && !s.blocked && !s.closing
             && s.unsent() < soft_limit) {
        auto verdict = executor_.run(s, requests[finished], pinned, now);
        if (verdict == verdict::wait)
          break;
        ++finished;
        s.blocked = verdict == verdict::service;
      }
    }
    if (finished < requests.size()) {
      // The rest is parsed again when it may be executed.
      for (auto i = finished; i < requests.size(); ++i)
        restore(requests[i].args);
      s.waiting = true;
      s.parser.restart();
      used += finished > 0 ? parsed_.marks[finished - 1].bytes_end : 0;
      if (s.blocked)
        start_call(s);
      break;
    }
    used += parsed_.bytes;
    if (s.blocked) {
      start_call(s);
      break;
    }
    if (outcome == parser::outcome::failed) {
      ++counters_.protocol_errors;
      log_.debug("{}: {}", s.info->address, s.parser.error());
      reply_writer{s.tail(), s.resp3}.error("ERR " + s.parser.error());
      s.written();
      s.closing = true;
    }
    if (outcome == parser::outcome::incomplete)
      break;
  }
  return used;
}

void gateway::regulate(session& s) {
  give_memory_back(s);
  if (s.shut)
    return;
  s.info->input_bytes.store(s.in.size(), std::memory_order_relaxed);
  s.info->output_bytes.store(s.unsent(), std::memory_order_relaxed);
  // Requests that cannot be executed now must not pile up. What they wait for
  // comes by itself, except that a client takes its replies: many write a whole
  // pipeline before they read, and would wait for us while we wait for them.
  // These may write as much as one request may have anyway.
  const bool stop = s.in.size() >= most_waiting && !s.closing
                    && (s.blocked || s.waiting
                        || (s.unsent() >= opts_.resp.output_soft_limit
                            && s.in.size() >= opts_.resp.max_request_size));
  stop_reading(s, stop);
}

void gateway::stop_reading(session& s, bool stop) {
  s.stop = stop;
  if (s.stop == s.halted || s.switching)
    return;
  s.switching = true;
  target which;
  which.fd = s.info->fd;
  which.connection = s.info->id;
  in_next_turn([this, which] {
    auto* now = find(which);
    if (!now)
      return;
    now->switching = false;
    if (now->stop == now->halted)
      return;
    now->halted = now->stop;
    auto hdl = caf::io::connection_handle::from_int(which.fd);
    if (now->halted)
      halt(hdl);
    else
      trigger(hdl);
  });
}

void gateway::give_memory_back(session& s) {
  constexpr std::size_t kept = 4 * 1024;
  if (s.in.empty() && s.in.capacity() > kept)
    s.in.release();
  if (!s.out.empty())
    return;
  if (spare_.capacity() == 0)
    std::swap(s.out, spare_);
  else
    s.out.release();
}

} // namespace terrace::resp
