#include "tools/bench/l1_memory.hpp"

#include "tools/bench/engine.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/resident.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

std::string per_entry(double x) {
  char buf[32];
  std::snprintf(buf, sizeof(buf), "%.1f", x);
  return buf;
}

} // namespace

int l1_memory(const l1_options& opts) {
  key_set keys{opts.keys, opts.kind};
  auto value = origin::value_of("value", opts.value_size);
  auto before = resident_bytes();
  memory_options bounds;
  bounds.policy = opts.policy;
  bounds.max_size = std::uint64_t{1} << 40;
  bounds.max_entries = keys.size() + keys.size() / 4;
  engine filled{bounds, opts.shards};
  for (std::size_t i = 0; i < keys.size(); ++i)
    filled.put(keys[i], value, 0);
  auto after = resident_bytes();
  auto figures = filled.figures().tier;
  auto n = static_cast<double>(std::max<std::uint64_t>(figures.entries, 1));
  auto payload = static_cast<double>(keys.key_size() + value.size());
  auto grown = static_cast<double>(after - before) / n;
  auto accounted = static_cast<double>(figures.bytes) / n;
  if (opts.json) {
    nlohmann::ordered_json out{{"entries", figures.entries},
                               {"payload_per_entry", payload},
                               {"resident_before", before},
                               {"resident_after", after},
                               {"resident_per_entry", grown},
                               {"accounted", figures.bytes},
                               {"accounted_per_entry", accounted},
                               {"overhead_per_entry", grown - payload}};
    std::cout << out.dump(2) << '\n';
    return 0;
  }
  std::cout << count_text(figures.entries) << " entries, keys of "
            << keys.key_size() << " bytes, values of " << value.size()
            << "; resident memory " << bytes_text(before) << " before, "
            << bytes_text(after) << " after\n";
  text_table table{{"bytes per entry", "all", "beyond key and value"}};
  table.add({"resident", per_entry(grown), per_entry(grown - payload)});
  table.add(
    {"accounted", per_entry(accounted), per_entry(accounted - payload)});
  std::cout << table.str();
  return 0;
}

} // namespace terrace::bench
