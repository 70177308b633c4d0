// The one file of the benchmarks that knows LMDB.

#include "tools/bench/disk_peer.hpp"

#include <lmdb.h>

#include <vector>

namespace terrace::bench {

namespace {

failure failure_of(int rc) {
  return {errc::io_failure, std::string{"LMDB: "} + mdb_strerror(rc)};
}

MDB_val to_val(std::string_view x) noexcept {
  return {x.size(), const_cast<char*>(x.data())};
}

/// Keeps one transaction, which holds no snapshot between calls.
class lmdb_reader final : public disk_reader {
public:
  lmdb_reader(MDB_env* env, MDB_dbi table, const disk_values& values)
    : table_(table), values_(values) {
    if (mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_) == MDB_SUCCESS)
      mdb_txn_reset(txn_);
  }

  ~lmdb_reader() override {
    if (txn_)
      mdb_txn_abort(txn_);
  }

  std::uint64_t read(const disk_request& x) override {
    auto n = x.keys.size();
    answers_.assign(n, {});
    if (!txn_ || mdb_txn_renew(txn_) != MDB_SUCCESS)
      return n;
    for (std::size_t i = 0; i < n; ++i) {
      auto key = to_val(x.keys[i]);
      MDB_val value{};
      if (mdb_get(txn_, table_, &key, &value) == MDB_SUCCESS)
        answers_[i] = blob::copy(
          {static_cast<const char*>(value.mv_data), value.mv_size});
    }
    mdb_txn_reset(txn_);
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i)
      wrong += !values_.looks_right(x.numbers[i], answers_[i].view());
    return wrong;
  }

private:
  MDB_txn* txn_ = nullptr;
  MDB_dbi table_;
  const disk_values& values_;
  std::vector<blob> answers_;
};

class lmdb_peer final : public disk_peer {
public:
  explicit lmdb_peer(const disk_values& values) : values_(values) {
    // nop
  }

  ~lmdb_peer() override {
    if (env_)
      mdb_env_close(env_);
  }

  expected<void> open(const disk_peer_setup& x) {
    auto rc = mdb_env_create(&env_);
    if (rc == MDB_SUCCESS)
      rc = mdb_env_set_mapsize(env_, 4 * x.bytes + (1ull << 30));
    if (rc == MDB_SUCCESS)
      rc = mdb_env_open(env_, x.folder.c_str(), MDB_NOTLS | MDB_NORDAHEAD,
                        0600);
    MDB_txn* txn = nullptr;
    if (rc == MDB_SUCCESS)
      rc = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (rc == MDB_SUCCESS)
      rc = mdb_dbi_open(txn, nullptr, 0, &table_);
    if (txn && rc == MDB_SUCCESS)
      rc = mdb_txn_commit(txn);
    else if (txn)
      mdb_txn_abort(txn);
    return result_of(rc);
  }

  std::unique_ptr<disk_reader> reader() override {
    return std::make_unique<lmdb_reader>(env_, table_, values_);
  }

  expected<void> write(std::span<const entry> xs) override {
    MDB_txn* txn = nullptr;
    auto rc = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (rc != MDB_SUCCESS)
      return failure_of(rc);
    for (auto i = xs.begin(); i != xs.end() && rc == MDB_SUCCESS; ++i) {
      auto key = to_val(i->key);
      auto value = to_val(i->data.value.view());
      rc = mdb_put(txn, table_, &key, &value, 0);
    }
    if (rc == MDB_SUCCESS)
      return result_of(mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return failure_of(rc);
  }

  expected<void> settle() override {
    return result_of(mdb_env_sync(env_, 1));
  }

  void sync_each(bool on) override {
    mdb_env_set_flags(env_, MDB_NOSYNC, !on);
  }

private:
  static expected<void> result_of(int rc) {
    if (rc != MDB_SUCCESS)
      return failure_of(rc);
    return {};
  }

  const disk_values& values_;
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
};

} // namespace

expected<disk_peer_ptr> make_lmdb_peer(const disk_peer_setup& x) {
  auto result = std::make_unique<lmdb_peer>(x.values);
  if (auto ok = result->open(x); !ok)
    return ok.error();
  return disk_peer_ptr{std::move(result)};
}

} // namespace terrace::bench
