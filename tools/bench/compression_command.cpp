#include "tools/bench/command_line.hpp"
#include "tools/bench/compression.hpp"

namespace terrace::bench {

CLI::App* declare(CLI::App& app, compression_bench_options& x) {
  auto sub = app.add_subcommand("compression", "the codec with dictionaries "
                                               "beside zstd, on made-up JSON");
  sub
    ->add_option_function<std::vector<std::string>>(
      "--sizes",
      [&x](const std::vector<std::string>& texts) {
        x.sizes.clear();
        for (auto& text : texts)
          x.sizes.push_back(read_size(text));
      },
      "of the values, from 150 B to 15 KiB")
    ->delimiter(',')
    ->type_name("SIZE,...")
    ->default_str("200,1KiB,4KiB");
  sub->add_option("--records", x.records, "measured, per shape and size")
    ->check(CLI::Range(10, 100'000))
    ->capture_default_str();
  sub
    ->add_option_function<std::string>(
      "--dictionary-size",
      [&x](const std::string& text) {
        x.codec.dictionary_size = read_size(text);
      },
      "as compression.dictionary_size")
    ->type_name("SIZE")
    ->default_str("32KiB");
  sub->add_option("--level", x.codec.level, "of zstd")
    ->check(CLI::Range(1, 19))
    ->capture_default_str();
  sub->add_option("--seconds", x.seconds, "length of a turn in a round")
    ->check(CLI::Range(0.001, 3600.0))
    ->capture_default_str();
  sub->add_option("--rounds", x.rounds, "rounds; the median counts")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  sub->add_flag("--json", x.json, "for programs");
  return sub;
}

} // namespace terrace::bench
