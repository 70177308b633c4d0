#include "actors/http_processor.hpp"

#include "actors/log.hpp"

#include <httplib.h>

namespace terrace {

namespace {

/// httplib's view of a connection.
class stream final : public httplib::Stream {
public:
  explicit stream(tcp_connection& x) : x_(x) {
    // nop
  }

  bool is_readable() const override {
    return x_.await_input();
  }

  bool is_writable() const override {
    return true; // `write` waits
  }

  ssize_t read(char* out, std::size_t size) override {
    return x_.read(out, size);
  }

  ssize_t write(const char* bytes, std::size_t size) override {
    return x_.write(bytes, size);
  }

  void get_remote_ip_and_port(std::string&, int&) const override {
    // Nobody here asks who it is.
  }

  void get_local_ip_and_port(std::string&, int&) const override {
    // Nor who we are.
  }

  /// httplib only compares it with FD_SETSIZE, for a `select` that is never
  /// called here; the descriptors of a busy node are larger than that.
  socket_t socket() const override {
    return 0;
  }

private:
  tcp_connection& x_;
};

/// Opens the part of httplib that handles one request on a stream.
class request_reader : public httplib::Server {
public:
  using httplib::Server::process_request;
};

std::string code_of(int status) {
  switch (status) {
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 413:
    case 414:
      return "too_large";
    case 415:
      return "unsupported_media_type";
    default:
      return status < 500 ? "bad_request" : "internal_error";
  }
}

void put(httplib::Response& out, http_response x) {
  out.status = x.status;
  out.set_content(std::move(x.body), x.content_type);
}

} // namespace

class http_processor::impl {
public:
  impl(const http_limits& limits, std::vector<http_route> routes,
       http_figures& figures)
    : limits_(limits), routes_(std::move(routes)), figures_(figures) {
    reader_.set_keep_alive_max_count(limits.max_requests);
    reader_.set_payload_max_length(limits.max_body_size);
    reader_.set_pre_routing_handler(
      [this](const httplib::Request& in, httplib::Response& out) {
        return route(in, out) ? httplib::Server::HandlerResponse::Handled
                              : httplib::Server::HandlerResponse::Unhandled;
      });
    // Only known paths come here, so the pattern meets no long text.
    reader_.Post(".*",
                 [this](const httplib::Request& in, httplib::Response& out,
                        const httplib::ContentReader& body) {
                   post(in, out, body);
                 });
    reader_.set_expect_100_continue_handler(
      [this](const httplib::Request& in, httplib::Response& out) {
        out.status = too_large(in) ? 413 : -1;
        return out.status == -1 ? 100 : out.status;
      });
    reader_.set_exception_handler(
      [](const httplib::Request&, httplib::Response& out, std::exception_ptr) {
        put(out, http_error(500, "internal_error", "The request failed."));
      });
    reader_.set_error_handler(
      [this](const httplib::Request&, httplib::Response& out) {
        complete(out);
      });
    reader_.set_logger(
      [this](const httplib::Request& in, const httplib::Response& out) {
        count(in, out);
      });
  }

  bool handle(tcp_connection& x) {
    x.start_request(tcp_connection::clock::now() + limits_.request_time,
                    limits_.max_head_size + limits_.max_body_size,
                    limits_.response_time);
    auto last = x.requests >= limits_.max_requests;
    auto closed = last;
    auto prepare = [&](httplib::Request& request) {
      // A body that nobody reads would be taken for the next request.
      if (request.has_header("Content-Length")
          || request.has_header("Transfer-Encoding")) {
        closed = true;
        request.headers.erase("Connection");
        request.set_header("Connection", "close");
      }
      // Parts of JSON are of no use, and many ranges make much of little.
      request.ranges.clear();
    };
    stream in{x};
    return reader_.process_request(in, last, closed, prepare) && !closed;
  }

private:
  bool too_large(const httplib::Request& in) const {
    return in.get_header_value<std::uint64_t>("Content-Length")
           > limits_.max_body_size;
  }

  /// Answers all but a good POST, whose body is still to be read.
  bool route(const httplib::Request& in, httplib::Response& out) {
    auto method = in.method == "HEAD" ? std::string{"GET"} : in.method;
    std::string allowed;
    for (auto& x : routes_) {
      if (x.path != in.path)
        continue;
      if (x.method != method) {
        allowed += (allowed.empty() ? "" : ", ") + x.method;
        continue;
      }
      if (method == "GET") {
        run(x, in, {}, out);
        return true;
      }
      if (!in.has_header("Content-Encoding") && !too_large(in))
        return false;
      out.status = too_large(in) ? 413 : 415;
      return true;
    }
    out.status = allowed.empty() ? 404 : 405;
    if (!allowed.empty())
      out.set_header("Allow", allowed);
    return true;
  }

  void post(const httplib::Request& in, httplib::Response& out,
            const httplib::ContentReader& reader) {
    std::string body;
    auto excess = false;
    auto take = [&](const char* bytes, std::size_t n) {
      excess = body.size() + n > limits_.max_body_size;
      if (!excess)
        body.append(bytes, n);
      return !excess;
    };
    if (in.is_multipart_form_data()) {
      out.status = 415;
    } else if (!reader(take)) {
      if (excess)
        out.status = 413;
    } else {
      for (auto& x : routes_)
        if (x.path == in.path && x.method == in.method)
          return run(x, in, std::move(body), out);
    }
  }

  void run(const http_route& x, const httplib::Request& in, std::string body,
           httplib::Response& out) {
    auto start = tcp_connection::clock::now();
    http_request request{in.method, in.path, std::move(body),
                         in.get_header_value("Origin"),
                         in.get_header_value("Host")};
    put(out, x.handler(request));
    figures_.latency.record(tcp_connection::clock::now() - start);
  }

  void count(const httplib::Request& in, const httplib::Response& out) {
    ++figures_.requests;
    if (out.status >= 500)
      ++figures_.server_errors;
    else if (out.status >= 400)
      ++figures_.client_errors;
    log_.debug("{} {}: {}", in.method, in.path, out.status);
  }

  /// Gives errors that httplib found a body like that of the others.
  void complete(httplib::Response& out) {
    if (out.body.empty())
      put(out,
          http_error(out.status, code_of(out.status), message(out.status)));
  }

  std::string message(int status) const {
    switch (status) {
      case 404:
        return "There is no such path.";
      case 405:
        return "The path does not allow this method.";
      case 413:
        return "The body is larger than "
               + std::to_string(limits_.max_body_size) + " bytes.";
      case 414:
        return "The request line is too long.";
      case 415:
        return "The body must be plain JSON without an encoding.";
      default:
        return status < 500 ? "The request is not valid HTTP or incomplete."
                            : "The request failed.";
    }
  }

  http_limits limits_;
  std::vector<http_route> routes_;
  http_figures& figures_;
  request_reader reader_;
  spdlog::logger& log_ = log_of("http");
};

http_processor::http_processor(const http_limits& limits,
                               std::vector<http_route> routes,
                               http_figures& figures)
  : impl_(std::make_unique<impl>(limits, std::move(routes), figures)) {
  // nop
}

http_processor::~http_processor() = default;

bool http_processor::handle(tcp_connection& x) {
  return impl_->handle(x);
}

} // namespace terrace
