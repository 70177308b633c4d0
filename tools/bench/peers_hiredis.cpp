#include "tools/bench/peers_hiredis.hpp"

#include <hiredis/hiredis.h>

#include <string_view>
#include <vector>

namespace terrace::bench {

namespace {

/// Bytes in front of the value in a record without tags, see tiers/codec.hpp.
constexpr std::size_t record_header_size = 32;

constexpr std::string_view prefix = "terrace:0:";

bool is_record_of(const redis_values& values, std::size_t i,
                  const redisReply& x) {
  return x.type == REDIS_REPLY_STRING && x.len >= record_header_size
         && values.is_value_of(i, {x.str + record_header_size,
                                   x.len - record_header_size});
}

} // namespace

void hiredis_peer::closer::operator()(redisContext* x) const noexcept {
  redisFree(x);
}

expected<hiredis_peer> hiredis_peer::by_port(std::uint16_t port) {
  return checked(redisConnect("127.0.0.1", port));
}

expected<hiredis_peer> hiredis_peer::by_socket(const std::string& path) {
  return checked(redisConnectUnix(path.c_str()));
}

expected<hiredis_peer> hiredis_peer::checked(redisContext* x) {
  hiredis_peer result{x};
  if (!x || x->err)
    return failure{errc::unavailable, x ? x->errstr : "no memory"};
  return result;
}

expected<double> hiredis_peer::run(const redis_values& values,
                                   std::size_t depth,
                                   std::chrono::duration<double> length) {
  using clock_type = std::chrono::steady_clock;
  std::uniform_int_distribution<std::size_t> draw{0, values.count() - 1};
  std::vector<std::size_t> asked(depth);
  std::string name;
  std::uint64_t answers = 0;
  auto begin = clock_type::now();
  auto now = begin;
  for (; now - begin < length; now = clock_type::now()) {
    for (auto& i : asked) {
      i = draw(random_);
      name.assign(prefix).append(values.key(i));
      redisAppendCommand(context_.get(), "GET %b", name.data(), name.size());
    }
    for (auto i : asked) {
      void* raw = nullptr;
      if (redisGetReply(context_.get(), &raw) != REDIS_OK)
        return failure{errc::unavailable, context_->errstr};
      auto* reply = static_cast<redisReply*>(raw);
      const bool right = is_record_of(values, i, *reply);
      freeReplyObject(reply);
      if (!right)
        return failure{errc::protocol_violation,
                       "hiredis got a wrong value for " + values.key(i)};
    }
    answers += depth;
  }
  return static_cast<double>(answers)
         / std::chrono::duration<double>(now - begin).count();
}

} // namespace terrace::bench
