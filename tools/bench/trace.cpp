#include "tools/bench/trace.hpp"

#include <zstd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>

namespace terrace::bench {

namespace {

constexpr std::size_t longest_line = 64 << 10;

/// Takes lines apart and numbers the keys.
class line_parser {
public:
  line_parser(std::string name, bool with_sizes, std::uint64_t limit)
    : name_(std::move(name)), with_sizes_(with_sizes), limit_(limit) {
    // nop
  }

  /// Returns false when enough has been read or a line is bad.
  bool feed(std::string_view bytes) {
    for (;;) {
      auto at = bytes.find('\n');
      rest_ += bytes.substr(0, at);
      if (at == std::string_view::npos)
        return rest_.size() <= longest_line || bad("is too long");
      if (!take_line())
        return false;
      bytes.remove_prefix(at + 1);
    }
  }

  expected<trace> finish() {
    if (!why_ && !rest_.empty())
      take_line();
    if (why_)
      return why_;
    return std::move(result_);
  }

private:
  bool take_line() {
    ++line_;
    if (rest_.ends_with('\r'))
      rest_.pop_back();
    std::string_view key = rest_;
    std::uint32_t size = 0;
    if (with_sizes_) {
      auto comma = key.rfind(',');
      if (comma == std::string_view::npos)
        return bad("has no comma");
      auto digits = key.substr(comma + 1);
      auto end = digits.data() + digits.size();
      auto [at, err] = std::from_chars(digits.data(), end, size);
      if (err != std::errc{} || at != end)
        return bad("has no size");
      key = key.substr(0, comma);
    }
    if (key.empty())
      return bad("has no key");
    auto [i, fresh] = ids_.try_emplace(
      std::string{key}, static_cast<std::uint32_t>(result_.keys.size()));
    if (fresh) {
      result_.keys.push_back(i->first);
      if (with_sizes_)
        result_.sizes.push_back(size);
    }
    result_.requests.push_back(i->second);
    rest_.clear();
    return limit_ == 0 || result_.requests.size() < limit_;
  }

  bool bad(const char* what) {
    why_ = {errc::invalid_argument,
            name_ + ": line " + std::to_string(line_) + ' ' + what};
    return false;
  }

  std::string name_;
  bool with_sizes_;
  std::uint64_t limit_;
  std::uint64_t line_ = 0;
  std::string rest_; ///< the line so far
  std::unordered_map<std::string, std::uint32_t> ids_;
  failure why_;
  trace result_;
};

using consumer = std::function<bool(std::string_view)>;

struct stream_deleter {
  void operator()(ZSTD_DStream* x) const noexcept {
    ZSTD_freeDStream(x);
  }
};

/// Decompresses what it is given, frame after frame.
class unpacker {
public:
  /// Returns zstd's text on failure. Sets `enough` when `out` has had enough.
  std::optional<std::string> feed(std::string_view bytes, const consumer& out,
                                  bool& enough) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (in.pos < in.size && !enough) {
      ZSTD_outBuffer to{buffer_.data(), buffer_.size(), 0};
      left_ = ZSTD_decompressStream(stream_.get(), &to, &in);
      if (ZSTD_isError(left_))
        return ZSTD_getErrorName(left_);
      enough = !out({buffer_.data(), to.pos});
    }
    return std::nullopt;
  }

  /// True if the last frame has come to its end.
  bool complete() const noexcept {
    return left_ == 0;
  }

private:
  std::unique_ptr<ZSTD_DStream, stream_deleter> stream_{ZSTD_createDStream()};
  std::string buffer_ = std::string(ZSTD_DStreamOutSize(), '\0');
  std::size_t left_ = 0;
};

} // namespace

expected<trace> read_trace(const std::string& path, std::uint64_t limit) {
  auto fail = [&](errc code, const std::string& why) {
    return failure{code, path + ": " + why};
  };
  auto file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>{
    std::fopen(path.c_str(), "rb"), std::fclose};
  if (!file)
    return fail(errc::io_failure, std::generic_category().message(errno));
  line_parser lines{path, path.find(".ksz") != std::string::npos, limit};
  auto out = [&](std::string_view x) { return lines.feed(x); };
  std::optional<unpacker> packed;
  std::array<char, 64 << 10> buf;
  auto enough = false;
  for (auto first = true; !enough; first = false) {
    std::string_view bytes{buf.data(),
                           std::fread(buf.data(), 1, buf.size(), file.get())};
    if (bytes.empty())
      break;
    if (first && bytes.starts_with("\x28\xb5\x2f\xfd"))
      packed.emplace();
    if (!packed)
      enough = !out(bytes);
    else if (auto why = packed->feed(bytes, out, enough))
      return fail(errc::corrupt, *why);
  }
  if (std::ferror(file.get()))
    return fail(errc::io_failure, std::generic_category().message(errno));
  if (!enough && packed && !packed->complete())
    return fail(errc::corrupt, "the file ends too early");
  auto result = lines.finish();
  if (result && result->requests.empty())
    return fail(errc::invalid_argument, "has no requests");
  return result;
}

} // namespace terrace::bench
