#include "tools/bench/disk_churn_report.hpp"

#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

void print_json(const disk_churn_options& opts, churn_result& x,
                const churn_counters& counters) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (auto& y : x.looks)
    lines.push_back({{"seconds", y.seconds},
                     {"blocks", y.disk.blocks},
                     {"length", y.disk.length},
                     {"counted", y.tier.bytes},
                     {"entries", y.tier.entries},
                     {"evictions", y.tier.evictions},
                     {"hits", y.hits},
                     {"lookups", y.lookups},
                     {"accepted", y.accepted},
                     {"written", y.written},
                     {"state", y.tier.state},
                     {"extra", y.tier.extra}});
  churn_span all{x.looks.front(), x.looks.back()};
  nlohmann::ordered_json out{{"max_size", opts.max_size},
                             {"largest_blocks", x.largest.blocks},
                             {"largest_length", x.largest.length},
                             {"hit_ratio", all.hit_ratio()},
                             {"write_amplification", all.amplification()},
                             {"accepted_per_s_median", x.seconds.quantile(0.5)},
                             {"accepted_per_s_p5", x.seconds.quantile(0.05)},
                             {"accepted_per_s_worst", x.seconds.quantile(0)},
                             {"refused", counters.refused.load()},
                             {"failed", counters.failed.load()},
                             {"wrong", counters.wrong.load()},
                             {"samples", std::move(lines)}};
  std::cout << out.dump(2) << '\n';
}

} // namespace

void print_head(const disk_churn_options& opts, std::size_t keys) {
  std::printf("bound %s, %s keys, values of %s to %s%s, %zu callers\n",
              bytes_text(opts.max_size).c_str(), count_text(keys).c_str(),
              bytes_text(opts.min_value).c_str(),
              bytes_text(opts.max_value).c_str(),
              opts.large ? " and up to 64 MiB" : "", opts.callers);
  std::printf("   time     blocks  ratio     length    counted    entries"
              "    evictions      hits     accepted  ampl.  state\n");
}

void print_line(const disk_churn_options& opts, const churn_span& x) {
  auto& now = x.to;
  std::printf(
    "%5.0f s  %9s  %5.3f  %9s  %9s  %9s  %11s  %6.2f %%  %9s/s  "
    "%5.2f  %s\n",
    now.seconds, bytes_text(now.disk.blocks).c_str(),
    ratio(now.disk.blocks, opts.max_size), bytes_text(now.disk.length).c_str(),
    bytes_text(now.tier.bytes).c_str(), count_text(now.tier.entries).c_str(),
    count_text(now.tier.evictions).c_str(), 100 * x.hit_ratio(),
    bytes_text(static_cast<std::uint64_t>(x.accepted_per_second())).c_str(),
    x.amplification(), now.tier.state.c_str());
  std::fflush(stdout);
}

void print_end(const disk_churn_options& opts, churn_result& x,
               const churn_counters& counters) {
  if (opts.json)
    return print_json(opts, x, counters);
  churn_span all{x.looks.front(), x.looks.back()};
  auto per_second = [&](double q) {
    return bytes_text(static_cast<std::uint64_t>(x.seconds.quantile(q)));
  };
  std::cout << "largest on disk: " << bytes_text(x.largest.blocks)
            << " in blocks, " << bytes_text(x.largest.length) << " in length, "
            << ratio(x.largest.blocks, opts.max_size)
            << " of the bound\nhit ratio " << percent_text(all.hit_ratio())
            << ", write amplification " << all.amplification()
            << "\naccepted in a second: median " << per_second(0.5)
            << ", fifth percentile " << per_second(0.05) << ", worst "
            << per_second(0) << "\nrefused " << counters.refused << ", failed "
            << counters.failed << ", wrong " << counters.wrong << '\n';
}

} // namespace terrace::bench
