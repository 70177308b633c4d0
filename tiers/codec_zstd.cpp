#include "tiers/codec_zstd.hpp"

// For frames without a magic number.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <memory>

namespace terrace {

namespace {

/// zstd contexts are expensive to make and not thread-safe: one per thread and
/// kind of frame, made when it is needed. Null when memory is short.
struct freer {
  void operator()(ZSTD_CCtx* x) const noexcept {
    ZSTD_freeCCtx(x);
  }

  void operator()(ZSTD_DCtx* x) const noexcept {
    ZSTD_freeDCtx(x);
  }
};

struct contexts {
  std::unique_ptr<ZSTD_CCtx, freer> compress;
  std::unique_ptr<ZSTD_DCtx, freer> decompress;
};

contexts& plain_contexts() noexcept {
  static thread_local contexts result;
  return result;
}

contexts& bare_contexts() noexcept {
  static thread_local contexts result;
  return result;
}

ZSTD_CCtx* plain_compressor() noexcept {
  auto& x = plain_contexts().compress;
  if (!x)
    x.reset(ZSTD_createCCtx());
  return x.get();
}

ZSTD_DCtx* plain_decompressor() noexcept {
  auto& x = plain_contexts().decompress;
  if (!x)
    x.reset(ZSTD_createDCtx());
  return x.get();
}

ZSTD_CCtx* bare_compressor() noexcept {
  auto& x = bare_contexts().compress;
  if (!x) {
    x.reset(ZSTD_createCCtx());
    if (x) {
      auto set = [&](ZSTD_cParameter what, int value) {
        ZSTD_CCtx_setParameter(x.get(), what, value);
      };
      set(ZSTD_c_format, ZSTD_f_zstd1_magicless);
      set(ZSTD_c_contentSizeFlag, 0);
      set(ZSTD_c_dictIDFlag, 0);
    }
  }
  return x.get();
}

ZSTD_DCtx* bare_decompressor() noexcept {
  auto& x = bare_contexts().decompress;
  if (!x) {
    x.reset(ZSTD_createDCtx());
    if (x)
      ZSTD_DCtx_setParameter(x.get(), ZSTD_d_format, ZSTD_f_zstd1_magicless);
  }
  return x.get();
}

/// Returns zstd's size or error; `room` is what the result may take.
std::size_t compress(char* to, std::size_t room, std::string_view value,
                     int level, const dictionary* with) noexcept {
  constexpr auto failed = static_cast<std::size_t>(-1);
  if (!with) {
    auto* ctx = plain_compressor();
    return ctx ? ZSTD_compressCCtx(ctx, to, room, value.data(), value.size(),
                                   level)
               : failed;
  }
  auto* ctx = bare_compressor();
  auto* dict = ctx ? with->for_compression() : nullptr;
  if (!dict || ZSTD_isError(ZSTD_CCtx_refCDict(ctx, dict)))
    return failed;
  auto n = ZSTD_compress2(ctx, to, room, value.data(), value.size());
  // It may have run out of room in the middle of a frame, and the dictionary
  // may go before this thread compresses again.
  ZSTD_CCtx_reset(ctx, ZSTD_reset_session_only);
  ZSTD_CCtx_refCDict(ctx, nullptr);
  return n;
}

} // namespace

bool zstd_append(std::string& out, std::string_view value, int level,
                 const dictionary* with, std::size_t extra) {
  auto least = value.size() / 16 + 1 + extra;
  if (value.size() <= least)
    return false;
  auto room = value.size() - least;
  auto begin = out.size();
  out.resize(begin + room);
  auto n = compress(out.data() + begin, room, value, level, with);
  const bool fits = !ZSTD_isError(n);
  out.resize(fits ? begin + n : begin);
  return fits;
}

expected<blob> zstd_inflate(std::string_view bytes, std::size_t size,
                            const dictionary* with) {
  if (!with && ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != size)
    return failure{errc::corrupt, "zstd: size differs from the header's"};
  auto* ctx = with ? bare_decompressor() : plain_decompressor();
  auto* dict = with ? with->for_decompression() : nullptr;
  if (!ctx || (with && !dict))
    return failure{errc::no_space, "zstd: no memory for a context"};
  std::size_t n = 0;
  auto result = blob::build(size, [&](char* out) {
    n = with ? ZSTD_decompress_usingDDict(ctx, out, size, bytes.data(),
                                          bytes.size(), dict)
             : ZSTD_decompressDCtx(ctx, out, size, bytes.data(), bytes.size());
  });
  if (ZSTD_isError(n))
    return failure{errc::corrupt, std::string{"zstd: "} + ZSTD_getErrorName(n)};
  if (n != size)
    return failure{errc::corrupt, "zstd: value is shorter than announced"};
  return result;
}

} // namespace terrace
