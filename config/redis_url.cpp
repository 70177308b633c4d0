#include "config/redis_url.hpp"

#include "config/quantity.hpp"

#include <algorithm>
#include <charconv>

namespace terrace {

namespace {

constexpr std::string_view redis_scheme = "redis://";
constexpr std::string_view unix_scheme = "unix://";

// sockaddr_un has 108 bytes, one of them for the final NUL.
constexpr std::size_t max_path_size = 107;

// Redis takes any number that its own `databases` allows; this bound only
// catches typing errors.
constexpr std::int64_t max_db = 65535;

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool is_ipv6_char(char c) noexcept {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
         || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    auto digits = text.substr(i + 1, 2);
    unsigned byte = 0;
    auto last = digits.data() + digits.size();
    auto [ptr, ec] = std::from_chars(digits.data(), last, byte, 16);
    // A NUL would cut a socket path short.
    if (digits.size() != 2 || ptr != last || ec != std::errc{} || byte == 0)
      return std::nullopt;
    result += static_cast<char>(byte);
    i += 2;
  }
  return result;
}

bool read_db(std::string_view text, redis_address& out) {
  auto db = parse_count(text);
  if (!db || *db > max_db)
    return false;
  out.db = static_cast<std::uint32_t>(*db);
  return true;
}

bool read_port(std::string_view text, redis_address& out) {
  auto port = parse_count(text);
  if (!port || *port < 1 || *port > 65535)
    return false;
  out.port = static_cast<std::uint16_t>(*port);
  return true;
}

// "[user]:password"; without a colon it is unclear which of the two is meant.
bool read_login(std::string_view text, redis_address& out) {
  auto colon = text.find(':');
  if (colon == text.npos)
    return false;
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(text.substr(colon + 1));
  if (!user || !password || (!user->empty() && password->empty()))
    return false;
  out.user = std::move(*user);
  out.password = std::move(*password);
  return true;
}

bool read_host(std::string_view text, redis_address& out) {
  std::string_view port;
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == text.npos)
      return false;
    out.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!std::all_of(out.host.begin(), out.host.end(), is_ipv6_char))
      return false;
  } else {
    auto end = std::min(text.find(':'), text.size());
    out.host = text.substr(0, end);
    port = text.substr(end);
    if (!std::all_of(out.host.begin(), out.host.end(), is_host_char))
      return false;
  }
  if (out.host.empty())
    return false;
  return port.empty()
         || (port.front() == ':' && read_port(port.substr(1), out));
}

bool read_tcp(std::string_view text, redis_address& out) {
  // A password may hold '@' and '/': the last '@' ends it.
  if (auto at = text.rfind('@'); at != text.npos) {
    if (!read_login(text.substr(0, at), out))
      return false;
    text.remove_prefix(at + 1);
  }
  auto slash = std::min(text.find('/'), text.size());
  auto db = text.substr(slash);
  return read_host(text.substr(0, slash), out)
         && (db.size() <= 1 || read_db(db.substr(1), out));
}

bool read_unix(std::string_view text, redis_address& out) {
  auto query = std::min(text.find('?'), text.size());
  auto path = percent_decode(text.substr(0, query));
  if (!path || path->empty() || path->size() > max_path_size)
    return false;
  out.path = std::move(*path);
  text.remove_prefix(query);
  return text.empty()
         || (text.starts_with("?db=") && read_db(text.substr(4), out));
}

} // namespace

std::optional<redis_address> parse_redis_url(std::string_view url) {
  redis_address result;
  auto ok = false;
  if (url.starts_with(redis_scheme))
    ok = read_tcp(url.substr(redis_scheme.size()), result);
  else if (url.starts_with(unix_scheme))
    ok = read_unix(url.substr(unix_scheme.size()), result);
  if (!ok)
    return std::nullopt;
  return result;
}

std::vector<std::string_view> split_redis_urls(std::string_view urls) {
  std::vector<std::string_view> result;
  std::size_t first = 0;
  for (auto comma = urls.find(','); comma != urls.npos;
       comma = urls.find(',', comma + 1)) {
    auto next = urls.find_first_not_of(' ', comma + 1);
    auto rest = urls.substr(std::min(next, urls.size()));
    auto scheme = rest.substr(0, rest.find("://"));
    if (scheme != "redis" && scheme != "rediss" && scheme != "unix")
      continue;
    result.push_back(urls.substr(first, comma - first));
    first = next;
  }
  result.push_back(urls.substr(first));
  return result;
}

std::string mask_redis_url(std::string_view url) {
  auto at = url.rfind('@');
  if (at == url.npos || url.starts_with(unix_scheme))
    return std::string{url};
  auto slashes = url.substr(0, at).find("://");
  auto login = slashes == url.npos ? 0 : slashes + 3;
  // In a proper URL the user's name may be seen.
  auto colon = url.substr(0, at).find(':', login);
  auto hidden = colon == url.npos ? login : colon + 1;
  std::string result{url.substr(0, hidden)};
  result += "***";
  result += url.substr(at);
  return result;
}

std::string mask_redis_urls(std::string_view urls) {
  std::string result;
  for (auto url : split_redis_urls(urls)) {
    if (!result.empty())
      result += ',';
    result += mask_redis_url(url);
  }
  return result;
}

} // namespace terrace
