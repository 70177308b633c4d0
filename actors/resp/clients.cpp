#include "actors/resp/clients.hpp"

#include <sys/socket.h>

namespace terrace::resp {

namespace {

/// One line in the form of CLIENT LIST of Redis 7; fields of functions that
/// Terrace does not have keep the values they have in an idle Redis.
void append_line(std::string& out, const client_info& x, std::int64_t now_ms) {
  auto relaxed = std::memory_order_relaxed;
  auto field = [&](std::string_view name, const auto& value) {
    out.append(name);
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>)
      out += std::to_string(value);
    else
      out += value;
  };
  field("id=", x.id);
  field(" addr=", x.address);
  field(" laddr=", x.local);
  field(" fd=", x.fd);
  field(" name=", x.name);
  field(" age=", (now_ms - x.since_ms) / 1000);
  field(" idle=", (now_ms - x.last_ms.load(relaxed)) / 1000);
  field(" flags=N db=", x.tenant.load(relaxed));
  field(" sub=0 psub=0 ssub=0 multi=-1 qbuf=", x.input_bytes.load(relaxed));
  field(" qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=",
        x.output_bytes.load(relaxed));
  field(" tot-mem=",
        x.input_bytes.load(relaxed) + x.output_bytes.load(relaxed));
  field(" events=r cmd=", x.last_command.load(relaxed));
  field(" user=default redir=-1 resp=", x.protocol.load(relaxed));
  field(" lib-name=", x.library);
  field(" lib-ver=", x.library_version);
  out += '\n';
}

} // namespace

void client_registry::add(const client_ptr& x) {
  std::lock_guard lock{mutex_};
  x->id = ++last_id_;
  all_.emplace(x->id, x);
  size_.store(all_.size(), std::memory_order_relaxed);
}

void client_registry::remove(std::uint64_t id) {
  std::lock_guard lock{mutex_};
  all_.erase(id);
  size_.store(all_.size(), std::memory_order_relaxed);
}

void client_registry::rename(client_info& x, std::string name) {
  std::lock_guard lock{mutex_};
  x.name = std::move(name);
}

std::string client_registry::name_of(const client_info& x) const {
  std::lock_guard lock{mutex_};
  return x.name;
}

void client_registry::library(client_info& x, std::string_view field,
                              std::string value) {
  std::lock_guard lock{mutex_};
  (field == "lib-name" ? x.library : x.library_version) = std::move(value);
}

std::string client_registry::list(
  std::int64_t now_ms,
  const std::function<bool(const client_info&)>& wanted) const {
  std::lock_guard lock{mutex_};
  std::string result;
  for (auto& [id, x] : all_)
    if (wanted(*x))
      append_line(result, *x, now_ms);
  return result;
}

std::size_t
client_registry::kill(const std::function<bool(const client_info&)>& wanted) {
  std::lock_guard lock{mutex_};
  std::size_t result = 0;
  for (auto& [id, x] : all_) {
    if (wanted(*x)) {
      x->killed.store(true, std::memory_order_relaxed);
      ::shutdown(x->fd, SHUT_RDWR);
      ++result;
    }
  }
  return result;
}

} // namespace terrace::resp
