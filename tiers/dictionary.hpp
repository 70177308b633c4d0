/// A dictionary for zstd: what values of one kind have in common, so that each
/// of them need not say it again. It is the difference between 10 % and 60 %
/// saved on JSON of 200 bytes.
///
/// A dictionary never changes. It is known by a number that is made of its
/// bytes, and every value compressed with it needs exactly it to be read again:
/// what is trained later on is another dictionary beside it.
///
/// Sources: RFC 8878, section 5 (form of a dictionary, its id); zdict.h of zstd
/// 1.5; Liao, Petri, Moffat, Wirth, "Effective construction of relative
/// Lempel-Ziv dictionaries", WWW 2016 (the trainer).
#pragma once

#include "messages/expected.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace terrace {

class dictionary;

using dictionary_ptr = std::shared_ptr<const dictionary>;

/// Values one after the other, as the trainer wants them.
struct dictionary_samples {
  std::string bytes;
  std::vector<std::size_t> sizes; ///< their sum is the size of `bytes`
};

/// Safe to use from several threads at once.
class dictionary {
public:
  /// Largest that is accepted, in bytes.
  static constexpr std::size_t max_size = 1 << 20;

  /// Longest name of a family, in bytes.
  static constexpr std::size_t max_family_size = 128;

  // -- constructors -----------------------------------------------------------

  /// Makes a dictionary of at most `size` bytes for the values of `family`.
  /// `level` is that of zstd, 1 to 19, for which it is made and with which it
  /// will compress. Takes some 100 ms a megabyte of samples. Fails with
  /// `invalid_argument` if there is too little in the samples to learn from.
  static expected<dictionary_ptr> train(const dictionary_samples& from,
                                        std::string family, std::size_t size,
                                        int level);

  /// Reads what `stored` gave, from anybody. Fails with `corrupt` if a byte
  /// differs, `unsupported_format` if a later version wrote it, `no_space`.
  static expected<dictionary_ptr> load(std::string_view stored, int level);

  dictionary(const dictionary&) = delete;

  dictionary& operator=(const dictionary&) = delete;

  ~dictionary();

  // -- properties -------------------------------------------------------------

  /// Made of the dictionary's bytes, from 32,768 to 2^31 - 1: RFC 8878 keeps
  /// other numbers for later.
  std::uint32_t id() const noexcept {
    return id_;
  }

  /// Whose values it was made of (tiers/dictionary_family.hpp).
  const std::string& family() const noexcept {
    return family_;
  }

  /// The form in which it is kept where its values are, with its family and a
  /// checksum. Little endian:
  ///
  ///      0  u8   magic 0x44 ('D')
  ///      1  u8   format, 1
  ///      2  u16  length of the family's name
  ///      4  u64  checksum: XXH3-64 of everything from 12 on
  ///     12       family, then the dictionary in the form of RFC 8878
  const std::string& stored() const noexcept {
    return stored_;
  }

  /// The part of it that zstd reads.
  std::string_view content() const noexcept;

  /// Made when they are first asked for. At level 3 they take some 400 KiB and
  /// 30 KiB.
  /// Null if memory is short.
  const ZSTD_CDict_s* for_compression() const noexcept;

  const ZSTD_DDict_s* for_decompression() const noexcept;

private:
  dictionary(std::string stored, std::string family, std::uint32_t id,
             int level);

  static expected<dictionary_ptr> make(std::string content, std::string family,
                                       int level);

  struct prepared;

  std::string stored_;
  std::string family_;
  std::uint32_t id_;
  int level_;
  std::unique_ptr<prepared> prepared_;
};

} // namespace terrace
