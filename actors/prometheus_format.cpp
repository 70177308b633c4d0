#include "actors/prometheus_format.hpp"

#include <array>
#include <charconv>
#include <span>

namespace terrace {

namespace {

/// Upper bounds of the exported buckets, in nanoseconds: a memory hit takes
/// less than a microsecond, a disk may take seconds.
constexpr auto bounds_ns = [] {
  std::array<std::uint64_t, 25> result{100,   250,    500,    1'000, 2'500,
                                       5'000, 10'000, 25'000, 50'000};
  for (std::size_t i = 9; i < result.size(); ++i)
    result[i] = std::uint64_t{100'000} << (i - 9);
  return result;
}();

/// Those of ages, in milliseconds: from a tenth of a second to a month.
constexpr std::array<std::uint64_t, 14> age_bounds_ms{
  100,        1'000,      10'000,      60'000,       300'000,
  600'000,    1'800'000,  3'600'000,   10'800'000,   21'600'000,
  43'200'000, 86'400'000, 604'800'000, 2'592'000'000};

std::string number(double x) {
  std::array<char, 64> buf;
  auto end = std::to_chars(buf.data(), buf.data() + buf.size(), x,
                           std::chars_format::fixed)
               .ptr;
  return {buf.data(), end};
}

std::string seconds(std::uint64_t ns) {
  return number(static_cast<double>(ns) / 1e9);
}

/// `name="value"`
std::string label(std::string_view name, std::string_view value) {
  std::string result{name};
  result += "=\"";
  result += escape_label(value);
  result += '"';
  return result;
}

class text_builder {
public:
  void family(std::string_view name, std::string_view type,
              std::string_view help) {
    name_ = name;
    out_ += "# HELP " + name_ + ' ';
    out_ += help;
    out_ += "\n# TYPE " + name_ + ' ';
    out_ += type;
    out_ += '\n';
  }

  void sample(const std::string& labels, const std::string& value,
              std::string_view suffix = {}) {
    out_ += name_;
    out_ += suffix;
    if (!labels.empty())
      out_ += '{' + labels + '}';
    out_ += ' ' + value + '\n';
  }

  void sample(const std::string& labels, std::uint64_t value) {
    sample(labels, std::to_string(value));
  }

  /// One series of a histogram, buckets cumulative. `unit`: nanoseconds in one
  /// step of it.
  void series(const std::string& labels, const histogram& x,
              std::span<const std::uint64_t> bounds = bounds_ns,
              std::uint64_t unit = 1) {
    std::uint64_t below = 0;
    std::size_t i = 0;
    for (auto bound : bounds) {
      for (; i < x.counts.size() && histogram::upper_bound_ns(i) <= bound; ++i)
        below += x.counts[i];
      sample(labels + ',' + label("le", seconds(bound * unit)),
             std::to_string(below), "_bucket");
    }
    auto total = std::to_string(x.count());
    sample(labels + ",le=\"+Inf\"", total, "_bucket");
    sample(
      labels,
      number(static_cast<double>(x.sum_ns) * static_cast<double>(unit) / 1e9),
      "_sum");
    sample(labels, total, "_count");
  }

  std::string take() {
    return std::move(out_);
  }

private:
  std::string name_;
  std::string out_;
};

std::string tier_label(const tier_status& x) {
  return label("tier", to_string(x.tier));
}

void add_node(text_builder& out, const node_report& x,
              std::string_view version) {
  out.family("terrace_build_info", "gauge", "Version of the node.");
  out.sample(label("version", version), 1);
  out.family("terrace_start_time_seconds", "gauge",
             "Unix time of the start of the node.");
  out.sample({}, number(static_cast<double>(x.started_ms) / 1000.0));
  out.family("terrace_requests_total", "counter",
             "Look-ups by clients, each counted once, however many tiers it "
             "took.");
  out.sample(label("outcome", "hit"), x.request_hits);
  out.sample(label("outcome", "miss"), x.request_misses);
  out.sample(label("outcome", "error"), x.request_errors);
  out.family("terrace_silent_actors", "gauge",
             "Actors that did not answer in time for this report.");
  out.sample({}, x.silent.size());
}

struct tier_figure {
  const char* name;
  const char* type;
  std::uint64_t tier_status::*value;
  const char* help;
};

constexpr tier_figure tier_figures[] = {
  {"terrace_tier_skipped_total", "counter", &tier_status::skipped,
   "Look-ups not sent to the tier because its breaker was open."},
  {"terrace_tier_stores_total", "counter", &tier_status::stores,
   "Entries written."},
  {"terrace_tier_store_errors_total", "counter", &tier_status::store_errors,
   "Entries that could not be written."},
  {"terrace_tier_removes_total", "counter", &tier_status::removes,
   "Keys deleted on request."},
  {"terrace_tier_evictions_total", "counter", &tier_status::evictions,
   "Entries that made room for others."},
  {"terrace_tier_expirations_total", "counter", &tier_status::expirations,
   "Entries removed because they had expired."},
  {"terrace_tier_entries", "gauge", &tier_status::entries, "Entries held."},
  {"terrace_tier_bytes", "gauge", &tier_status::bytes, "Bytes held."},
  {"terrace_tier_capacity_bytes", "gauge", &tier_status::capacity_bytes,
   "Bytes that the tier may hold, 0 for no bound of its own."},
};

void add_tiers(text_builder& out, const node_report& x) {
  out.family("terrace_tier_lookups_total", "counter",
             "Look-ups in a tier by outcome. Level 1 is asked first.");
  for (std::size_t i = 0; i < x.tiers.size(); ++i) {
    auto& tier = x.tiers[i];
    auto labels = tier_label(tier) + ',' + label("level", std::to_string(i + 1))
                  + ',';
    out.sample(labels + label("outcome", "hit"), tier.hits);
    out.sample(labels + label("outcome", "miss"), tier.misses);
    out.sample(labels + label("outcome", "error"), tier.errors);
  }
  out.family("terrace_tier_up", "gauge",
             "1 if the tier is up, 0 in any other state.");
  for (auto& tier : x.tiers)
    out.sample(tier_label(tier), tier.state == "up" ? 1 : 0);
  out.family("terrace_tier_state", "gauge", "1 for the state of the tier.");
  for (auto& tier : x.tiers)
    out.sample(tier_label(tier) + ',' + label("state", tier.state), 1);
  for (auto& figure : tier_figures) {
    out.family(figure.name, figure.type, figure.help);
    for (auto& tier : x.tiers)
      out.sample(tier_label(tier), tier.*figure.value);
  }
  out.family("terrace_tier_extra", "untyped",
             "Further figures of a tier, counters and gauges, by name.");
  for (auto& tier : x.tiers)
    for (auto& [name, value] : tier.extra)
      out.sample(tier_label(tier) + ',' + label("figure", name), value);
}

void add_latencies(text_builder& out, const node_report& x) {
  out.family("terrace_tier_fetch_duration_seconds", "histogram",
             "Duration of look-ups per batch; memory: a sample of the hits.");
  for (auto& tier : x.tiers)
    out.series(tier_label(tier), tier.fetch_latency);
  out.family("terrace_tier_store_duration_seconds", "histogram",
             "Duration of writes per batch.");
  for (auto& tier : x.tiers)
    out.series(tier_label(tier), tier.store_latency);
  out.family("terrace_entry_age_seconds", "histogram",
             "How old entries are or become, by what is measured.");
  for (auto& tier : x.tiers)
    for (auto& [name, age] : tier.ages)
      out.series(tier_label(tier) + ',' + label("age", name), age,
                 age_bounds_ms, 1'000'000);
  out.family("terrace_actor_duration_seconds", "histogram",
             "Duration of what an actor does, where it measures it.");
  for (auto& actor : x.actors)
    if (actor.latency.count() > 0)
      out.series(label("actor", actor.name), actor.latency);
}

void add_actors(text_builder& out, const node_report& x) {
  out.family("terrace_actor_figure", "untyped",
             "Figures of an actor, counters and gauges, by name.");
  for (auto& actor : x.actors)
    for (auto& [name, value] : actor.counters)
      out.sample(label("actor", actor.name) + ',' + label("figure", name),
                 value);
}

} // namespace

std::string escape_label(std::string_view x) {
  std::string result;
  result.reserve(x.size());
  for (auto c : x) {
    if (c == '\\' || c == '"')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

std::string prometheus_text(const node_report& x, std::string_view version) {
  text_builder out;
  add_node(out, x, version);
  add_tiers(out, x);
  add_latencies(out, x);
  add_actors(out, x);
  return out.take();
}

} // namespace terrace
