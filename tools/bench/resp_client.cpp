#include "tools/bench/resp_client.hpp"

#include <hiredis/hiredis.h>

#include <array>
#include <charconv>

namespace terrace::bench {

std::optional<endpoint> parse_endpoint(std::string_view text) {
  endpoint result;
  auto colon = text.rfind(':');
  if (colon != 0 && !text.empty())
    result.host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    auto digits = text.substr(colon + 1);
    auto end = digits.data() + digits.size();
    auto [at, err] = std::from_chars(digits.data(), end, result.port);
    if (err != std::errc{} || at != end || result.port == 0)
      return std::nullopt;
  }
  return text.empty() ? std::nullopt : std::optional{result};
}

void resp_client::closer::operator()(redisContext* x) const noexcept {
  redisFree(x);
}

struct resp_client::reply {
  struct closer {
    void operator()(redisReply* x) const noexcept {
      freeReplyObject(x);
    }
  };

  std::unique_ptr<redisReply, closer> x;
};

resp_client::resp_client(redisContext* x) : context_(x) {
  // nop
}

resp_client::resp_client(resp_client&&) noexcept = default;

resp_client::~resp_client() = default;

expected<resp_client> resp_client::connect(const endpoint& to,
                                           std::uint32_t tenant) {
  auto where = to.host + ':' + std::to_string(to.port);
  resp_client result{redisConnectWithTimeout(to.host.c_str(), to.port, {5, 0})};
  auto* context = result.context_.get();
  if (!context || context->err)
    return failure{errc::unavailable,
                   "cannot reach " + where + ": "
                     + (context ? context->errstr : "out of memory")};
  redisSetTimeout(context, {30, 0});
  if (tenant != 0) {
    auto number = std::to_string(tenant);
    if (auto x = result.run({"SELECT", number}); !x)
      return x.error();
  }
  return result;
}

expected<resp_client::reply>
resp_client::run(std::initializer_list<std::string_view> args) {
  std::array<const char*, 8> data;
  std::array<std::size_t, 8> sizes;
  std::size_t n = 0;
  for (auto arg : args) {
    data[n] = arg.data();
    sizes[n++] = arg.size();
  }
  reply result{std::unique_ptr<redisReply, reply::closer>{
    static_cast<redisReply*>(redisCommandArgv(
      context_.get(), static_cast<int>(n), data.data(), sizes.data()))}};
  if (!result.x)
    return failure{errc::unavailable, context_->errstr};
  if (result.x->type == REDIS_REPLY_ERROR)
    return failure{errc::protocol_violation, {result.x->str, result.x->len}};
  return result;
}

expected<bool> resp_client::get(std::string_view key, std::string& value) {
  auto x = run({"GET", key});
  if (!x)
    return x.error();
  if (x->x->type == REDIS_REPLY_NIL)
    return false;
  value.assign(x->x->str, x->x->len);
  return true;
}

expected<void> resp_client::set(std::string_view key, std::string_view value,
                                std::int64_t ttl_ms) {
  auto ttl = std::to_string(ttl_ms);
  auto x = ttl_ms == 0 ? run({"SET", key, value})
                       : run({"SET", key, value, "PX", ttl});
  if (!x)
    return x.error();
  return {};
}

expected<std::uint64_t> resp_client::size() {
  auto x = run({"DBSIZE"});
  if (!x)
    return x.error();
  return static_cast<std::uint64_t>(x->x->integer);
}

expected<void> resp_client::flush() {
  auto x = run({"FLUSHDB"});
  if (!x)
    return x.error();
  return {};
}

} // namespace terrace::bench
