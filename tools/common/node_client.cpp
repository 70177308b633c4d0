#include "tools/common/node_client.hpp"

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace terrace {

namespace {

constexpr int default_port = 7380;

constexpr std::string_view scheme = "http://";

std::string reason_of(httplib::Error x) {
  switch (x) {
    case httplib::Error::Connection:
      return "no node listens there";
    case httplib::Error::ConnectionTimeout:
      return "nobody answers there";
    case httplib::Error::Read:
    case httplib::Error::Write:
      return "the node does not answer, or is no Terrace node";
    default:
      return httplib::to_string(x);
  }
}

/// The node's message inside an error body, or the status if there is none.
std::string message_of(const node_client::reply& x) {
  auto body = nlohmann::json::parse(x.body, nullptr, false);
  if (body.is_object() && body.contains("error")
      && body["error"].value("message", "") != "")
    return body["error"]["message"];
  return "HTTP status " + std::to_string(x.status);
}

expected<std::string> body_of(expected<node_client::reply> x) {
  if (!x)
    return x.error();
  if (x->status == 200)
    return std::move(x->body);
  auto code = x->status < 500 ? errc::invalid_argument : errc::unavailable;
  return failure{code, message_of(*x)};
}

} // namespace

struct node_client::impl {
  impl(std::string x, const std::string& host, int port)
    : url(std::move(x)), http(host, port) {
    http.set_keep_alive(true);
    http.set_connection_timeout(std::chrono::seconds(2));
    http.set_read_timeout(std::chrono::seconds(60)); // large invalidations
  }

  expected<reply> take(const httplib::Result& x) const {
    if (!x)
      return failure{errc::unavailable,
                     "cannot reach " + url + ": " + reason_of(x.error())};
    return reply{x->status, x->body};
  }

  std::string url;
  httplib::Client http;
};

expected<node_client> node_client::open(const std::string& url) {
  failure bad{errc::invalid_argument,
              "expected http://HOST[:PORT], got " + url};
  std::string_view rest = url;
  if (!rest.starts_with(scheme))
    return bad;
  rest.remove_prefix(scheme.size());
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  auto colon = rest.find(':');
  auto host = rest.substr(0, colon);
  auto port = default_port;
  if (colon != std::string_view::npos) {
    auto digits = rest.substr(colon + 1);
    auto end = digits.data() + digits.size();
    auto [at, err] = std::from_chars(digits.data(), end, port);
    if (at != end || err != std::errc{} || port < 1 || port > 65535)
      return bad;
  }
  if (host.empty() || host.find_first_of("/?#@ ") != std::string_view::npos)
    return bad;
  return node_client{std::make_unique<impl>(url, std::string{host}, port)};
}

node_client::node_client(std::unique_ptr<impl> x) : impl_(std::move(x)) {
  // nop
}

node_client::node_client(node_client&&) noexcept = default;

node_client::~node_client() = default;

expected<node_client::reply> node_client::get(const std::string& path) {
  return impl_->take(impl_->http.Get(path));
}

expected<node_client::reply> node_client::post(const std::string& path,
                                               const std::string& body) {
  return impl_->take(impl_->http.Post(path, body, "application/json"));
}

expected<std::string> node_client::get_ok(const std::string& path) {
  return body_of(get(path));
}

expected<std::string> node_client::post_ok(const std::string& path,
                                           const std::string& body) {
  return body_of(post(path, body));
}

} // namespace terrace
