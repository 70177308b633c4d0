#include "actors/clock.hpp"
#include "tools/bench/disk_peer.hpp"

namespace terrace::bench {

namespace {

class engine_reader final : public disk_reader {
public:
  engine_reader(lmdb_store& store, const disk_values& values)
    : store_(store), values_(values) {
    // nop
  }

  std::uint64_t read(const disk_request& x) override {
    auto found = store_.fetch(x.keys, system_now_ms());
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < found.size(); ++i)
      wrong += !found[i].hit()
               || !values_.looks_right(x.numbers[i],
                                       found[i].data.value.view());
    return wrong;
  }

private:
  lmdb_store& store_;
  const disk_values& values_;
};

class engine_peer final : public disk_peer {
public:
  engine_peer(const disk_values& values, std::shared_ptr<lmdb_store> store,
              std::uint64_t commit_size)
    : values_(values), store_(std::move(store)), commit_size_(commit_size) {
    // nop
  }

  std::unique_ptr<disk_reader> reader() override {
    return std::make_unique<engine_reader>(*store_, values_);
  }

  expected<void> write(std::span<const entry> xs) override {
    store_report report;
    if (!store_->try_stage(xs, false, system_now_ms(), report)
        || report.stored != xs.size())
      return failure{errc::io_failure, "the engine did not take an entry"};
    while (store_->staged_bytes() >= commit_size_ || store_->full())
      if (auto ok = store_->commit(system_now_ms()); !ok)
        return ok.error();
    return {};
  }

  expected<void> settle() override {
    return store_->flush(system_now_ms());
  }

private:
  const disk_values& values_;
  std::shared_ptr<lmdb_store> store_;
  std::uint64_t commit_size_;
};

} // namespace

disk_peer_ptr make_engine_peer(const disk_peer_setup& x,
                               std::shared_ptr<lmdb_store> store,
                               const disk_options& opts) {
  return std::make_unique<engine_peer>(x.values, std::move(store),
                                       opts.commit_size);
}

} // namespace terrace::bench
