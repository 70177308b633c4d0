/// Made-up JSON like that which applications cache, for measuring compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace::bench {

/// A value under the user's key that an application would choose for it.
struct json_record {
  std::string key;
  std::string value;
};

/// Profile of a user, product of a shop, page of search results, analysis of a
/// source file.
inline constexpr std::size_t json_shapes = 4;

/// "user", "product", "search", "analysis"
const char* json_shape_name(std::size_t shape) noexcept;

/// Makes a record of about `size` bytes, at least 150. The same arguments give
/// the same record on every machine.
///
/// What differs between records of real applications differs here: identifiers
/// and digests are random bits, numbers and times are drawn from ranges, names
/// from lists, texts word by word from 4,000 words of which the frequent ones
/// are frequent (Zipf). What is the same there is the same here: the names of
/// fields and their order, and choices among a few; some fields are often
/// absent. Texts have no grammar, so that what a compressor finds in a language
/// beyond its words is missing.
json_record make_json_record(std::size_t shape, std::size_t size,
                             std::uint64_t seed);

} // namespace terrace::bench
