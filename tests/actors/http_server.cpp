// The HTTP server over real sockets: what it answers, and what a client cannot
// do to it. Time limits are short here so that no test waits for long.
#define CAF_SUITE actors.http_server

#include "actors/http_server.hpp"

#include <caf/test/unit_test.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

/// A blocking client that sends what it is told.
class client {
public:
  explicit client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    CAF_REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to))
                == 0);
  }

  client(const client&) = delete;

  ~client() {
    ::close(fd_);
  }

  void send(const std::string& x) {
    // A server that has had enough closes: that is for `rest` to see.
    for (std::size_t at = 0; at < x.size();) {
      auto n = ::send(fd_, x.data() + at, x.size() - at, MSG_NOSIGNAL);
      if (n <= 0)
        return;
      at += static_cast<std::size_t>(n);
    }
  }

  /// Everything until the server closes.
  std::string rest() {
    std::string result;
    char buf[4096];
    for (;;) {
      auto n = ::recv(fd_, buf, sizeof(buf), 0);
      if (n <= 0)
        return result;
      result.append(buf, static_cast<std::size_t>(n));
    }
  }

  /// Reads until `text` has come.
  bool until(const std::string& text) {
    std::string seen;
    for (char c; ::recv(fd_, &c, 1, 0) == 1;) {
      seen += c;
      if (seen.ends_with(text))
        return true;
    }
    return false;
  }

private:
  int fd_;
};

struct fixture {
  std::promise<void> entered;
  std::promise<void> release;
  http_limits limits;
  std::unique_ptr<http_server> server;

  fixture() {
    limits.threads = 2;
    limits.max_body_size = 1000;
    limits.max_head_size = 10'000;
    limits.request_time = 200ms;
    limits.idle_time = 200ms;
    start();
  }

  void start() {
    server.reset();
    auto hello = [](const http_request&) {
      return http_response{200, "hello\n", "text/plain"};
    };
    auto echo = [](const http_request& x) {
      return http_response{200, x.body, "text/plain"};
    };
    auto broken = [](const http_request&) -> http_response {
      throw std::runtime_error("broken");
    };
    auto slow = [this](const http_request&) {
      entered.set_value();
      release.get_future().wait();
      return http_response{200, "done\n", "text/plain"};
    };
    auto x = http_server::start("127.0.0.1", 0, limits,
                                {{"GET", "/hello", hello},
                                 {"POST", "/echo", echo},
                                 {"GET", "/broken", broken},
                                 {"GET", "/slow", slow}});
    CAF_REQUIRE(x);
    server = *std::move(x);
  }

  std::string talk(const std::string& request) {
    client x{server->port()};
    x.send(request);
    return x.rest();
  }

  std::string get(const std::string& path) {
    return talk("GET " + path
                + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  std::string post(const std::string& body, const std::string& headers = {}) {
    return talk("POST /echo HTTP/1.1\r\nHost: x\r\n" + headers
                + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n"
                + body);
  }
};

bool has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos)
    return true;
  CAF_MESSAGE("not in: " << text);
  return false;
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(http_server_tests, fixture)

CAF_TEST(a route is answered) {
  auto x = get("/hello");
  CAF_CHECK(x.starts_with("HTTP/1.1 200 OK\r\n"));
  CAF_CHECK(has(x, "Content-Type: text/plain\r\n"));
  CAF_CHECK(x.ends_with("\r\n\r\nhello\n"));
}

CAF_TEST(head gives the head alone) {
  auto x = talk("HEAD /hello HTTP/1.1\r\nConnection: close\r\n\r\n");
  CAF_CHECK(x.starts_with("HTTP/1.1 200 OK\r\n"));
  CAF_CHECK(has(x, "Content-Length: 6\r\n"));
  CAF_CHECK(x.ends_with("\r\n\r\n"));
}

CAF_TEST(a body arrives whole or in chunks) {
  CAF_CHECK(post("abc").ends_with("\r\n\r\nabc"));
  CAF_CHECK(talk("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
              .ends_with("\r\n\r\nabcde"));
}

CAF_TEST(several requests use one connection) {
  client x{server->port()};
  for (int i = 0; i < 3; ++i) {
    x.send("GET /hello HTTP/1.1\r\n\r\n");
    CAF_CHECK(x.until("\r\n\r\nhello\n"));
  }
  x.send("GET /hello HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
  CAF_CHECK(x.until("\r\n\r\nhello\n"));
  CAF_CHECK(x.until("\r\n\r\nhello\n"));
  CAF_CHECK_EQUAL(server->figures().connections, 1u);
  CAF_CHECK_EQUAL(server->figures().requests, 5u);
}

CAF_TEST(unknown paths and methods are told so in JSON) {
  auto x = get("/nothing");
  CAF_CHECK(x.starts_with("HTTP/1.1 404 "));
  CAF_CHECK(has(x, "\"code\": \"not_found\""));
  x = get("/echo");
  CAF_CHECK(x.starts_with("HTTP/1.1 405 "));
  CAF_CHECK(has(x, "Allow: POST\r\n"));
  CAF_CHECK(has(x, "\"code\": \"method_not_allowed\""));
  CAF_CHECK(talk("DELETE /hello HTTP/1.1\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 405 "));
  CAF_CHECK_EQUAL(server->figures().client_errors, 3u);
}

CAF_TEST(a handler that throws is an internal error) {
  auto x = get("/broken");
  CAF_CHECK(x.starts_with("HTTP/1.1 500 "));
  CAF_CHECK(has(x, "\"code\": \"internal_error\""));
  CAF_CHECK_EQUAL(server->figures().server_errors, 1u);
  CAF_CHECK(get("/hello").starts_with("HTTP/1.1 200 "));
}

CAF_TEST(a body over the limit is refused) {
  CAF_CHECK(post(std::string(1000, 'x')).starts_with("HTTP/1.1 200 "));
  auto x = post(std::string(1001, 'x'));
  CAF_CHECK(x.starts_with("HTTP/1.1 413 "));
  CAF_CHECK(has(x, "larger than 1000 bytes"));
  CAF_CHECK(talk("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3e9\r\n"
                 + std::string(1001, 'x') + "\r\n0\r\n\r\n")
              .starts_with("HTTP/1.1 413 "));
  CAF_CHECK(talk("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\n"
                 "Content-Length: 1001\r\n\r\n")
              .starts_with("HTTP/1.1 413 "));
}

CAF_TEST(a compressed body is refused lest it unfold into much) {
  CAF_CHECK(
    post("x", "Content-Encoding: gzip\r\n").starts_with("HTTP/1.1 415 "));
}

CAF_TEST(broken requests end the connection) {
  CAF_CHECK(talk("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CAF_CHECK(talk("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n")
              .starts_with("HTTP/1.1 414 "));
  CAF_CHECK(
    talk("GET /hello HTTP/1.1\r\nA: " + std::string(9000, 'x') + "\r\n\r\n")
      .starts_with("HTTP/1.1 400 "));
  std::string many = "GET /hello HTTP/1.1\r\n";
  while (many.size() < limits.max_head_size + limits.max_body_size)
    many += "A: b\r\n";
  CAF_CHECK(talk(many + "\r\n").starts_with("HTTP/1.1 400 "));
  CAF_CHECK(get("/hello").starts_with("HTTP/1.1 200 "));
}

CAF_TEST(who asks for parts gets the whole) {
  auto x = talk("GET /hello HTTP/1.1\r\nRange: bytes=0-0,0-1,0-2\r\n"
                "Connection: close\r\n\r\n");
  CAF_CHECK(x.starts_with("HTTP/1.1 200 OK\r\n"));
}

CAF_TEST(clients that say half a request do not keep others out) {
  std::vector<std::unique_ptr<client>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<client>(server->port()));
    slow.back()->send("GET /hel");
  }
  CAF_CHECK(get("/hello").starts_with("HTTP/1.1 200 "));
  for (auto& x : slow)
    CAF_CHECK_EQUAL(x->rest(), "");
}

CAF_TEST(silent clients take no thread and are let go) {
  std::vector<std::unique_ptr<client>> silent;
  for (int i = 0; i < 20; ++i)
    silent.push_back(std::make_unique<client>(server->port()));
  CAF_CHECK(get("/hello").starts_with("HTTP/1.1 200 "));
  for (auto& x : silent)
    CAF_CHECK_EQUAL(x->rest(), "");
}

CAF_TEST(past the limit connections are told so) {
  limits.max_connections = 3;
  limits.idle_time = 10s;
  start();
  client a{server->port()};
  client b{server->port()};
  client c{server->port()};
  for (auto x : {&a, &b, &c}) {
    x->send("GET /hello HTTP/1.1\r\n\r\n");
    CAF_CHECK(x->until("hello\n"));
  }
  auto refused = client{server->port()}.rest();
  CAF_CHECK(refused.starts_with("HTTP/1.1 503 "));
  CAF_CHECK(has(refused, "\"code\": \"overloaded\""));
  CAF_CHECK_EQUAL(server->figures().refused_connections, 1u);
  a.send("GET /hello HTTP/1.1\r\n\r\n");
  CAF_CHECK(a.until("hello\n"));
}

CAF_TEST(a port that is taken is an error with the reason) {
  auto x = http_server::start("127.0.0.1", server->port(), limits, {});
  CAF_REQUIRE(!x);
  CAF_CHECK_EQUAL(x.error().code, errc::in_use);
  CAF_CHECK(has(x.error().detail, "Address already in use"));
  auto y = http_server::start("nowhere", 0, limits, {});
  CAF_REQUIRE(!y);
  CAF_CHECK_EQUAL(y.error().code, errc::invalid_argument);
}

CAF_TEST(stopping answers what is under way and cuts off the rest) {
  client busy{server->port()};
  client silent{server->port()};
  busy.send("GET /slow HTTP/1.1\r\n\r\n");
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [this] { server->stop(); });
  CAF_CHECK_EQUAL(silent.rest(), "");
  release.set_value();
  CAF_CHECK(busy.rest().ends_with("\r\n\r\ndone\n"));
  stopped.wait();
  server->stop();
}

CAF_TEST_FIXTURE_SCOPE_END()
