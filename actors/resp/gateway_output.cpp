// The gateway's way from replies to bytes on the wire.

#include "actors/resp/gateway.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace terrace::resp {

namespace {

/// Pieces of one `sendmsg`.
constexpr std::size_t most_pieces = 32;

/// Bytes given to CAF at a time: it copies them, and tells when they are gone.
constexpr std::size_t most_handed_over = 64 * 1024;

} // namespace

void gateway::write_out(session& s) {
  if (s.shut)
    return;
  auto fd = s.info->fd;
  while (s.in_kernel_queue == 0 && !s.out.empty()) {
    iovec pieces[most_pieces];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = s.out.pieces(pieces, most_pieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i)
      offered += pieces[i].iov_len;
    auto sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        hand_over(s);
      else
        shut(s);
      break;
    }
    counters_.net_out_bytes += static_cast<std::uint64_t>(sent);
    s.out.take(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < offered)
      hand_over(s);
  }
  if (s.unsent() > opts_.resp.output_hard_limit) {
    ++counters_.output_limit_disconnects;
    log_.warn("{} lets {} bytes wait, disconnecting it", s.info->address,
              s.unsent());
    shut(s);
  } else if (s.closing && !s.blocked && s.idle() && s.unsent() == 0) {
    shut(s);
  }
}

void gateway::hand_over(session& s) {
  auto hdl = caf::io::connection_handle::from_int(s.info->fd);
  auto& buffer = wr_buf(hdl);
  std::size_t taken = 0;
  iovec piece;
  while (taken < most_handed_over && s.out.pieces(&piece, 1) == 1) {
    auto* bytes = static_cast<const char*>(piece.iov_base);
    auto n = std::min(piece.iov_len, most_handed_over - taken);
    buffer.insert(buffer.end(), bytes, bytes + n);
    s.out.take(n);
    taken += n;
  }
  s.in_kernel_queue += taken;
  s.progress_ms = shared_->services.now();
  counters_.net_out_bytes += taken;
  flush(hdl);
}

void gateway::transferred(const caf::io::data_transferred_msg& x) {
  auto* s = find(x.handle);
  if (!s || s->shut)
    return;
  s->in_kernel_queue = static_cast<std::size_t>(x.remaining);
  s->progress_ms = shared_->services.now();
  if (s->in_kernel_queue > 0)
    return;
  write_out(*s);
  // Going on in small steps would cost a wake-up for each.
  if (s->unsent() <= opts_.resp.output_soft_limit / 4) {
    go_on(*s);
    send_batches();
  }
}

} // namespace terrace::resp
