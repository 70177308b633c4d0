#include "tools/bench/compression.hpp"

#include "messages/key.hpp"
#include "tiers/codec.hpp"
#include "tools/bench/json_records.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace terrace::bench {

namespace {

/// Bytes in front of a value in a record without tags, see tiers/codec.hpp.
constexpr std::size_t header_size = 32;

constexpr double least_saved_at_1_kib = 0.6;

/// Seeds of records that are measured; those that are learnt from begin at 0.
constexpr std::uint64_t first_measured = std::uint64_t{1} << 40;

/// Trainings need some thousand records.
constexpr std::uint64_t most_learnt = 1'000'000;

struct freer {
  void operator()(ZSTD_CCtx* x) const noexcept {
    ZSTD_freeCCtx(x);
  }

  void operator()(ZSTD_DCtx* x) const noexcept {
    ZSTD_freeDCtx(x);
  }
};

using compressor = std::unique_ptr<ZSTD_CCtx, freer>;
using decompressor = std::unique_ptr<ZSTD_DCtx, freer>;

/// A record with what became of it.
struct item {
  std::string key;
  record data;
  dictionary_ptr dict;
  std::string coded;     ///< by the codec
  std::string plain;     ///< by zstd alone
  std::string with_dict; ///< by zstd with the dictionary
};

/// One way to do it.
struct speeds {
  double compress = 0; ///< MB/s
  double decompress = 0;
};

struct outcome {
  std::uint64_t size = 0;   ///< aimed at
  double mean_size = 0;     ///< reached
  std::uint64_t learnt = 0; ///< records that were written before
  double training_ms = 0;   ///< one, in the mean
  double saved_plain = 0;   ///< shares of the bytes of all values
  double saved_codec = 0;
  double saved_together = 0;
  speeds codec;
  speeds plain;
  speeds with_dict;
};

std::size_t checked(std::size_t n) {
  if (ZSTD_isError(n))
    throw std::runtime_error{std::string{"zstd: "} + ZSTD_getErrorName(n)};
  return n;
}

class run {
public:
  run(const compression_bench_options& opts, std::uint64_t size)
    : opts_(opts),
      size_(size),
      set_(std::make_shared<dictionary_set>(opts.codec)),
      codec_(opts.codec, set_),
      buffer_(ZSTD_compressBound(1 << 20), '\0') {
    // nop
  }

  outcome measure() {
    outcome result;
    result.size = size_;
    learn(result);
    write_all(result);
    result.saved_together = saved(together());
    auto each = [&](auto f) { return speed_of(std::move(f)); };
    result.codec.compress = each([&](item& x) {
      scratch_.clear();
      return codec_.encode(x.key, x.data, scratch_) ? scratch_.size() : 0;
    });
    result.codec.decompress = each([&](item& x) {
      auto back = codec_.decode(x.key, x.coded);
      return back ? back->value.size() : 0;
    });
    result.plain.compress = each([&](item& x) { return compress(x); });
    result.plain.decompress = each([&](item& x) {
      return ZSTD_decompressDCtx(d_.get(), buffer_.data(), buffer_.size(),
                                 x.plain.data(), x.plain.size());
    });
    result.with_dict.compress
      = each([&](item& x) { return compress_with_dict(x); });
    result.with_dict.decompress = each([&](item& x) {
      return ZSTD_decompress_usingDDict(d_.get(), buffer_.data(),
                                        buffer_.size(), x.with_dict.data(),
                                        x.with_dict.size(),
                                        x.dict->for_decompression());
    });
    return result;
  }

private:
  static item make(std::size_t shape, std::uint64_t size, std::uint64_t seed) {
    auto x = make_json_record(shape, size, seed);
    item result;
    result.key = qualify(0, x.key);
    result.data = {blob::copy(x.value), 1, 0, {}};
    return result;
  }

  /// Writes until every shape has a dictionary.
  void learn(outcome& result) {
    double spent = 0;
    while (set_->in_use().size() < json_shapes) {
      for (std::size_t i = 0; i < json_shapes; ++i) {
        auto x = make(i, size_, result.learnt);
        scratch_.clear();
        if (!codec_.encode(x.key, x.data, scratch_))
          throw std::runtime_error{"a record cannot be written"};
      }
      auto start = std::chrono::steady_clock::now();
      if (set_->train_some())
        spent += std::chrono::duration<double, std::milli>(
                   std::chrono::steady_clock::now() - start)
                   .count();
      if (++result.learnt > most_learnt)
        throw std::runtime_error{"dictionaries do not pay"};
    }
    for (auto& x : codec_.wanted())
      codec_.adopt(x);
    result.training_ms = spent / json_shapes;
    result.learnt *= json_shapes;
  }

  void write_all(outcome& result) {
    std::size_t plain = 0;
    std::size_t coded = 0;
    for (std::uint64_t i = 0; i < opts_.records; ++i)
      for (std::size_t shape = 0; shape < json_shapes; ++shape) {
        auto x = make(shape, size_, first_measured + i);
        if (!codec_.encode(x.key, x.data, x.coded))
          throw std::runtime_error{"a record cannot be written"};
        x.dict = set_->find(codec::dictionary_of(x.coded));
        auto back = codec_.decode(x.key, x.coded);
        if (!x.dict || !back || *back != x.data)
          throw std::runtime_error{"a record does not come back"};
        x.plain.assign(buffer_, 0, checked(compress(x)));
        x.with_dict.assign(buffer_, 0, checked(compress_with_dict(x)));
        raw_ += x.data.value.size();
        plain += std::min(x.plain.size(), x.data.value.size());
        coded += x.coded.size() - header_size;
        items_.push_back(std::move(x));
      }
    result.mean_size = static_cast<double>(raw_)
                       / static_cast<double>(items_.size());
    result.saved_plain = saved(plain);
    result.saved_codec = saved(coded);
  }

  double saved(std::size_t left) const {
    return 1 - static_cast<double>(left) / static_cast<double>(raw_);
  }

  /// All values in one frame, as small as zstd can.
  std::size_t together() {
    std::string all;
    for (auto& x : items_)
      all += x.data.value.view();
    std::string out(ZSTD_compressBound(all.size()), '\0');
    compressor best{ZSTD_createCCtx()};
    for (auto [what, value] : {std::pair{ZSTD_c_compressionLevel, 19},
                               std::pair{ZSTD_c_enableLongDistanceMatching, 1},
                               std::pair{ZSTD_c_windowLog, 27}})
      checked(ZSTD_CCtx_setParameter(best.get(), what, value));
    return checked(ZSTD_compress2(best.get(), out.data(), out.size(),
                                  all.data(), all.size()));
  }

  std::size_t compress(const item& x) {
    return ZSTD_compressCCtx(c_.get(), buffer_.data(), buffer_.size(),
                             x.data.value.view().data(), x.data.value.size(),
                             opts_.codec.level);
  }

  std::size_t compress_with_dict(const item& x) {
    return ZSTD_compress_usingCDict(c_.get(), buffer_.data(), buffer_.size(),
                                    x.data.value.view().data(),
                                    x.data.value.size(),
                                    x.dict->for_compression());
  }

  /// MB of values a second; the median of the rounds.
  template <class F>
  double speed_of(F f) {
    using clock = std::chrono::steady_clock;
    std::vector<double> rounds;
    for (std::uint32_t i = 0; i < opts_.rounds; ++i) {
      auto start = clock::now();
      std::chrono::duration<double> spent{0};
      std::uint64_t bytes = 0;
      do {
        for (auto& x : items_) {
          auto n = f(x);
          if (n == 0 || ZSTD_isError(n))
            throw std::runtime_error{"a record does not come back"};
          bytes += x.data.value.size();
        }
        spent = clock::now() - start;
      } while (spent.count() < opts_.seconds);
      rounds.push_back(static_cast<double>(bytes) / spent.count() / 1e6);
    }
    std::nth_element(rounds.begin(),
                     rounds.begin()
                       + static_cast<std::ptrdiff_t>(rounds.size() / 2),
                     rounds.end());
    return rounds[rounds.size() / 2];
  }

  const compression_bench_options& opts_;
  std::uint64_t size_;
  dictionary_set_ptr set_;
  codec codec_;
  std::vector<item> items_;
  std::size_t raw_ = 0; ///< bytes of all values
  compressor c_{ZSTD_createCCtx()};
  decompressor d_{ZSTD_createDCtx()};
  std::string buffer_;
  std::string scratch_;
};

std::string rate_text(double x) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(x < 100 ? 1 : 0) << x;
  return out.str();
}

nlohmann::ordered_json to_json(const speeds& x) {
  return {{"compress_mb_per_s", x.compress},
          {"decompress_mb_per_s", x.decompress}};
}

void print_json(const std::vector<outcome>& xs) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (auto& x : xs)
    out.push_back({{"size", x.size},
                   {"mean_size", x.mean_size},
                   {"records_learnt_from", x.learnt},
                   {"training_ms", x.training_ms},
                   {"saved_without", x.saved_plain},
                   {"saved_with", x.saved_codec},
                   {"saved_together", x.saved_together},
                   {"codec", to_json(x.codec)},
                   {"zstd", to_json(x.plain)},
                   {"zstd_with_dictionary", to_json(x.with_dict)}});
  std::cout << out.dump(2) << '\n';
}

void print(const std::vector<outcome>& xs,
           const compression_bench_options& opts) {
  if (opts.json)
    return print_json(xs);
  std::cout << "Level " << opts.codec.level << ", dictionaries of "
            << bytes_text(opts.codec.dictionary_size) << ", " << opts.records
            << " records of each of " << json_shapes
            << " shapes; none was learnt from.\n\nBytes of values saved\n\n";
  text_table savings{{"size", "mean", "zstd alone", "with dictionary",
                      "all at once, level 19", "learnt from", "training"}};
  for (auto& x : xs)
    savings.add({bytes_text(x.size),
                 bytes_text(static_cast<std::uint64_t>(x.mean_size)),
                 percent_text(x.saved_plain), percent_text(x.saved_codec),
                 percent_text(x.saved_together), count_text(x.learnt),
                 duration_text(x.training_ms * 1e6)});
  std::cout << savings.str() << "\nMB of values a second, one thread\n\n";
  text_table rates{{"size", "write: codec", "zstd + dict", "zstd alone",
                    "read: codec", "zstd + dict", "zstd alone"}};
  for (auto& x : xs)
    rates.add({bytes_text(x.size), rate_text(x.codec.compress),
               rate_text(x.with_dict.compress), rate_text(x.plain.compress),
               rate_text(x.codec.decompress), rate_text(x.with_dict.decompress),
               rate_text(x.plain.decompress)});
  std::cout << rates.str();
}

} // namespace

int compression(const compression_bench_options& opts) {
  std::vector<outcome> results;
  bool kept = true;
  for (auto size : opts.sizes) {
    results.push_back(run{opts, size}.measure());
    if (size == 1024 && results.back().saved_codec < least_saved_at_1_kib)
      kept = false;
  }
  print(results, opts);
  if (!kept)
    std::cerr << "terrace-bench: less than 60 % saved at 1 KiB\n";
  return kept ? 0 : 1;
}

} // namespace terrace::bench
