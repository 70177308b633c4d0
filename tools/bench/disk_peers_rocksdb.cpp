/// Built only where RocksDB is installed.
#include "tools/bench/disk_peer.hpp"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <vector>

namespace terrace::bench {

namespace {

expected<void> result_of(const rocksdb::Status& x) {
  if (!x.ok())
    return failure{errc::io_failure, "RocksDB: " + x.ToString()};
  return {};
}

rocksdb::Slice to_slice(std::string_view x) noexcept {
  return {x.data(), x.size()};
}

class rocksdb_reader final : public disk_reader {
public:
  rocksdb_reader(rocksdb::DB& db, const disk_values& values)
    : db_(db), values_(values) {
    // nop
  }

  std::uint64_t read(const disk_request& x) override {
    auto n = x.keys.size();
    answers_.assign(n, {});
    slices_.resize(std::max(slices_.size(), n));
    if (n == 1) {
      slices_[0].Reset();
      if (db_
            .Get(opts_, db_.DefaultColumnFamily(), to_slice(x.keys[0]),
                 &slices_[0])
            .ok())
        answers_[0] = blob::copy(slices_[0].ToStringView());
    } else {
      read_many(x);
    }
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i)
      wrong += !values_.looks_right(x.numbers[i], answers_[i].view());
    return wrong;
  }

private:
  void read_many(const disk_request& x) {
    auto n = x.keys.size();
    wanted_.clear();
    for (auto& key : x.keys)
      wanted_.push_back(to_slice(key));
    states_.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      slices_[i].Reset();
    db_.MultiGet(opts_, db_.DefaultColumnFamily(), n, wanted_.data(),
                 slices_.data(), states_.data());
    for (std::size_t i = 0; i < n; ++i)
      if (states_[i].ok())
        answers_[i] = blob::copy(slices_[i].ToStringView());
  }

  rocksdb::DB& db_;
  const disk_values& values_;
  rocksdb::ReadOptions opts_;
  std::vector<rocksdb::Slice> wanted_;
  std::vector<rocksdb::PinnableSlice> slices_;
  std::vector<rocksdb::Status> states_;
  std::vector<blob> answers_;
};

class rocksdb_peer final : public disk_peer {
public:
  explicit rocksdb_peer(const disk_values& values) : values_(values) {
    // nop
  }

  expected<void> open(const disk_peer_setup& x) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(2 * x.bytes + (256ull << 20));
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    rocksdb::Options opts;
    opts.create_if_missing = true;
    opts.compression = rocksdb::kNoCompression;
    opts.max_background_jobs = 2;
    opts.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    auto ok = result_of(rocksdb::DB::Open(opts, x.folder, &db));
    db_.reset(db);
    return ok;
  }

  std::unique_ptr<disk_reader> reader() override {
    return std::make_unique<rocksdb_reader>(*db_, values_);
  }

  expected<void> write(std::span<const entry> xs) override {
    rocksdb::WriteBatch batch;
    for (auto& x : xs)
      batch.Put(to_slice(x.key), to_slice(x.data.value.view()));
    return result_of(db_->Write(opts_, &batch));
  }

  expected<void> settle() override {
    return result_of(db_->FlushWAL(true));
  }

  expected<void> filled() override {
    return result_of(
      db_->CompactRange(rocksdb::CompactRangeOptions{}, nullptr, nullptr));
  }

  void sync_each(bool on) override {
    opts_.sync = on;
  }

private:
  const disk_values& values_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions opts_;
};

} // namespace

expected<disk_peer_ptr> make_rocksdb_peer(const disk_peer_setup& x) {
  auto result = std::make_unique<rocksdb_peer>(x.values);
  if (auto ok = result->open(x); !ok)
    return ok.error();
  return disk_peer_ptr{std::move(result)};
}

} // namespace terrace::bench
