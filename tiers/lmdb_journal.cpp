#include "tiers/lmdb_journal.hpp"

#include <cstring>

namespace terrace {

namespace {

/// Two rows fill a page of 4 KiB.
constexpr std::size_t row_size = 2016;

constexpr char record_kind = 0;
constexpr char removal_kind = 1;

template <class T>
std::string_view bytes_of(const T& x) noexcept {
  return {reinterpret_cast<const char*>(&x), sizeof(T)};
}

/// Reads the stream across rows.
class reader {
public:
  reader(MDB_txn* txn, lmdb_table journal) : rows_(txn, journal) {
    more_ = rows_.first();
  }

  bool at_end() const noexcept {
    return !more_;
  }

  /// Appends `n` bytes to `out`.
  void read(std::size_t n, std::string& out) {
    while (n > 0) {
      if (!more_)
        throw lmdb_fault{{errc::corrupt, "the journal ends within a change"}};
      auto part = rows_.value().substr(offset_, n);
      out += part;
      n -= part.size();
      offset_ += part.size();
      if (offset_ == rows_.value().size()) {
        more_ = rows_.next();
        offset_ = 0;
      }
    }
  }

  template <class T>
  T read() {
    buf_.clear();
    read(sizeof(T), buf_);
    T result;
    std::memcpy(&result, buf_.data(), sizeof(T));
    return result;
  }

private:
  lmdb_cursor rows_;
  bool more_ = false;
  std::size_t offset_ = 0;
  std::string buf_;
};

} // namespace

// -- lmdb_journal_writer ------------------------------------------------------

lmdb_journal_writer::lmdb_journal_writer(lmdb_write& txn, lmdb_table journal)
  : rows_(txn.native(), journal) {
  if (rows_.last())
    std::memcpy(&next_, rows_.key().data(), sizeof(next_));
  row_.reserve(row_size);
}

void lmdb_journal_writer::put(std::string_view key, std::string_view encoded) {
  head(record_kind, key);
  write(bytes_of(static_cast<std::uint32_t>(encoded.size())));
  write(encoded);
}

void lmdb_journal_writer::remove(std::string_view key, version_t version) {
  head(removal_kind, key);
  write(bytes_of(version));
}

std::uint64_t lmdb_journal_writer::finish() {
  if (!row_.empty())
    flush();
  return written_;
}

void lmdb_journal_writer::head(char kind, std::string_view key) {
  write(bytes_of(kind));
  write(bytes_of(static_cast<std::uint32_t>(key.size())));
  write(key);
}

void lmdb_journal_writer::write(std::string_view bytes) {
  while (!bytes.empty()) {
    auto part = bytes.substr(0, row_size - row_.size());
    row_ += part;
    bytes.remove_prefix(part.size());
    if (row_.size() == row_size)
      flush();
  }
}

void lmdb_journal_writer::flush() {
  ++next_;
  rows_.append(lmdb_integer(next_), row_);
  written_ += row_.size();
  row_.clear();
}

// -- reading ------------------------------------------------------------------

void lmdb_read_journal(lmdb_env& env, lmdb_table journal, const codec& decoder,
                       const std::function<void(lmdb_replay&&)>& f) {
  lmdb_read txn{env};
  reader in{txn.native(), journal};
  std::string bytes;
  while (!in.at_end()) {
    auto kind = in.read<char>();
    if (kind != record_kind && kind != removal_kind)
      throw lmdb_fault{{errc::corrupt, "unknown change in the journal"}};
    lmdb_replay x;
    in.read(in.read<std::uint32_t>(), x.key);
    if (!is_qualified(x.key))
      throw lmdb_fault{{errc::corrupt, "key without tenant in the journal"}};
    if (kind == removal_kind) {
      x.data.version = in.read<version_t>();
      x.removed = true;
    } else {
      bytes.clear();
      in.read(in.read<std::uint32_t>(), bytes);
      if (auto data = decoder.decode(x.key, bytes)) {
        x.data = std::move(*data);
      } else {
        x.damaged = true;
        if (auto head = codec::peek(bytes))
          x.data.version = head->version;
        x.removed = true;
      }
    }
    f(std::move(x));
  }
}

} // namespace terrace
