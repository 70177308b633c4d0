// Holds terrace.toml, the table of options and the structs together.

#define CAF_SUITE config.reference

#include "config/config_reader.hpp"
#include "config/option_check.hpp"
#include "config/options_access.hpp"

#include <caf/test/unit_test.hpp>

#include <fstream>
#include <map>

using namespace terrace;

namespace {

constexpr auto reference_path = TERRACE_SOURCE_DIR "/config/terrace.toml";

// An option in terrace.toml and the comment right above it.
struct paragraph {
  std::string name;
  std::string comment;
};

std::vector<paragraph> paragraphs() {
  std::vector<paragraph> result;
  std::ifstream in{reference_path};
  std::string line;
  std::string table;
  std::string comment;
  while (std::getline(in, line)) {
    if (line.starts_with('#')) {
      comment += line.substr(1);
      continue;
    }
    if (line.starts_with('['))
      table = line.substr(1, line.find(']') - 1);
    else if (auto equals = line.find(" = "); equals != line.npos)
      result.push_back({table + "." + line.substr(0, equals), comment});
    comment.clear();
  }
  return result;
}

// What the comment of an option must say about its bounds.
std::vector<std::string> bounds(const option_info& info) {
  if (!info.expects.empty())
    return {std::string{info.expects}};
  std::vector<std::string> result;
  for (auto& choice : info.choices)
    if (info.kind != option_kind::map)
      result.push_back('"' + std::string{choice} + '"');
  for (auto& key : info.keys)
    result.push_back('"' + std::string{key} + '"');
  auto numeric = info.kind == option_kind::integer
                 || info.kind == option_kind::size
                 || info.kind == option_kind::duration;
  if (numeric)
    result.push_back("Range: " + to_text(info, info.min, secrets::show) + " to "
                     + to_text(info, info.max, secrets::show) + ".");
  return result;
}

// Converts to the type of any member.
struct anything {
  template <class T>
  operator T() const;
};

// Members of an aggregate: the largest number of values it can be built from.
template <class T, class... Ts>
constexpr std::size_t members_of() {
  if constexpr (requires { T{Ts{}..., anything{}}; })
    return members_of<T, Ts..., anything>();
  else
    return sizeof...(Ts);
}

} // namespace

CAF_TEST(terrace.toml holds the defaults of the structs) {
  auto result = load_options(reference_path);
  if (!result)
    CAF_FAIL(result.errors().front());
  CAF_CHECK(*result == options{});
}

CAF_TEST(terrace.toml documents every option once and in order) {
  std::vector<std::string> found;
  for (auto& x : paragraphs())
    found.push_back(x.name);
  auto names = option_names();
  CAF_CHECK_EQUAL(found, std::vector<std::string>(names.begin(), names.end()));
}

CAF_TEST(terrace.toml tells the meaning and the bounds of every option) {
  for (auto& [name, comment] : paragraphs()) {
    auto info = find_option(name);
    CAF_REQUIRE(info != nullptr);
    if (comment.empty())
      CAF_ERROR(name << " has no comment");
    for (auto& text : bounds(*info))
      if (comment.find(text) == comment.npos)
        CAF_ERROR(name << " does not say: " << text);
  }
}

CAF_TEST(the table has every member of the structs) {
  std::map<std::string_view, std::size_t> found;
  for (auto& info : option_table()) {
    ++found[info.table()];
    CAF_CHECK(!info.doc.empty());
  }
  CAF_CHECK_EQUAL(found.size(), members_of<options>());
  CAF_CHECK_EQUAL(found["node"], members_of<node_options>());
  CAF_CHECK_EQUAL(found["cache"], members_of<cache_options>());
  CAF_CHECK_EQUAL(found["memory"], members_of<memory_options>());
  CAF_CHECK_EQUAL(found["redis"], members_of<redis_options>());
  CAF_CHECK_EQUAL(found["disk"], members_of<disk_options>());
  CAF_CHECK_EQUAL(found["compression"], members_of<compression_options>());
  CAF_CHECK_EQUAL(found["warming"], members_of<warming_options>());
  CAF_CHECK_EQUAL(found["resp"], members_of<resp_options>());
  CAF_CHECK_EQUAL(found["http"], members_of<http_options>());
  CAF_CHECK_EQUAL(found["log"], members_of<log_options>());
}

CAF_TEST(every default is accepted by its own bounds) {
  options defaults;
  for (auto& info : option_table())
    if (!accepts(info, info.get(defaults)))
      CAF_ERROR(info.name);
  CAF_CHECK(validate(defaults).empty());
}
