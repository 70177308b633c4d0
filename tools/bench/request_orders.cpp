#include "tools/bench/request_orders.hpp"

#include "config/quantity.hpp"
#include "tools/bench/contestant.hpp"
#include "tools/bench/zipf.hpp"

#include <random>
#include <thread>

namespace terrace::bench {

std::optional<request_mix> request_mix::parse(std::string_view text) {
  if (text == "hits")
    return request_mix{};
  auto dash = text.find('-');
  if (dash == std::string_view::npos)
    return std::nullopt;
  auto reads = parse_count(text.substr(0, dash));
  auto writes = parse_count(text.substr(dash + 1));
  if (!reads || !writes || *reads > 100 || *reads + *writes != 100)
    return std::nullopt;
  return request_mix{static_cast<unsigned>(*writes), true};
}

std::string request_mix::str() const {
  if (!evicts)
    return "hits";
  return std::to_string(100 - write_percent) + '-'
         + std::to_string(write_percent);
}

request_orders::request_orders(std::size_t keys, double skew,
                               std::size_t threads)
  : orders_(threads) {
  zipf popularity{keys, skew};
  std::vector<std::thread> drawing;
  for (std::size_t i = 0; i < threads; ++i)
    drawing.emplace_back(
      [&, i] { orders_[i] = popularity.draw(length, i + 1); });
  for (auto& x : drawing)
    x.join();
}

void request_orders::mix(const request_mix& x) {
  std::mt19937 random{1};
  std::uniform_int_distribution<unsigned> percent{0, 99};
  for (auto& order : orders_)
    for (auto& request : order) {
      request &= ~request_batch::write_bit;
      if (x.write_percent > 0 && percent(random) < x.write_percent)
        request |= request_batch::write_bit;
    }
}

} // namespace terrace::bench
