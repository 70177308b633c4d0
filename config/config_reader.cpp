#include "config/config_reader.hpp"

#include "config/options_access.hpp"
#include "config/quantity.hpp"
#include "config/text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>

namespace terrace {

namespace {

// No configuration is larger; a path to something else may be endless.
constexpr std::size_t max_file_size = 1 << 20;

std::string printable_name(std::string_view key) {
  auto bare = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (!key.empty() && std::all_of(key.begin(), key.end(), bare))
    return clip(std::string{key});
  return clip(quote(key));
}

// toml++ may quote a key as it is, with line feeds.
std::string one_line(std::string_view text) {
  std::string result{text};
  std::replace_if(
    result.begin(), result.end(),
    [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return result;
}

// -- values -------------------------------------------------------------------

// How the file says it, on one line.
std::string describe(const toml::node& x) {
  if (auto str = x.as_string())
    return quote(str->get());
  std::string result;
  if (auto xs = x.as_array()) {
    for (auto& element : *xs)
      result += (result.empty() ? "" : ", ") + describe(element);
    return "[" + result + "]";
  }
  if (auto xs = x.as_table()) {
    for (auto& [key, value] : *xs) {
      result += result.empty() ? "" : ", ";
      result += printable_name(key.str()) + " = " + describe(value);
    }
    return result.empty() ? "{}" : "{ " + result + " }";
  }
  std::ostringstream out;
  out << toml::toml_formatter{x};
  return out.str();
}

std::optional<std::string> read_string(const toml::node& x) {
  return x.value_exact<std::string>();
}

std::optional<option_data> read_list(const toml::node& x) {
  auto xs = x.as_array();
  if (!xs)
    return std::nullopt;
  std::vector<std::string> result;
  for (auto& element : *xs) {
    auto str = read_string(element);
    if (!str)
      return std::nullopt;
    result.push_back(std::move(*str));
  }
  return result;
}

std::optional<option_data> read_map(const toml::node& x) {
  auto xs = x.as_table();
  if (!xs)
    return std::nullopt;
  std::map<std::string, std::string> result;
  for (auto& [key, value] : *xs) {
    auto str = read_string(value);
    if (!str)
      return std::nullopt;
    result.emplace(key.str(), std::move(*str));
  }
  return result;
}

// Nothing if the node has another type than the option.
std::optional<option_data> read_value(const option_info& info,
                                      const toml::node& x) {
  auto integer = x.value_exact<std::int64_t>();
  auto str = read_string(x);
  switch (info.kind) {
    case option_kind::boolean:
      if (auto flag = x.value_exact<bool>())
        return *flag;
      return std::nullopt;
    case option_kind::duration:
      // Any other number needs a unit, and is no TOML integer then.
      if (integer && *integer == 0)
        return *integer;
      return str ? from_text(info, *str) : std::nullopt;
    case option_kind::size:
      if (str)
        return from_text(info, *str);
      [[fallthrough]];
    case option_kind::integer:
      if (integer)
        return *integer;
      return std::nullopt;
    case option_kind::text:
      if (str)
        return std::move(*str);
      return std::nullopt;
    case option_kind::list:
      return read_list(x);
    case option_kind::map:
      return read_map(x);
  }
  return std::nullopt;
}

std::string complaint(const option_info& info, const toml::node& x) {
  auto got = describe(x);
  if (info.mask) {
    auto str = read_string(x);
    got = str ? quote(info.mask(*str)) : "another type";
  }
  return "expected " + expectation(info) + ", got " + clip(got);
}

// -- the document -------------------------------------------------------------

struct placed_error {
  toml::source_position where;
  std::string text;
};

// Reads a parsed file into options and keeps what is wrong with it.
struct document {
  options& target;
  std::map<std::string, std::string, std::less<>>& origins;
  const std::string& name;
  std::vector<placed_error> errors;

  std::string prefix(const toml::source_position& x) const {
    return name + ":" + std::to_string(x.line) + ":" + std::to_string(x.column);
  }

  void read_key(const std::string& table, const toml::key& key,
                const toml::node& x) {
    auto info = find_option(table + "." + std::string{key.str()});
    if (!info) {
      auto full = table + "." + printable_name(key.str());
      errors.push_back(
        {key.source().begin, full + ": unknown option" + suggestion(full)});
      return;
    }
    auto data = read_value(*info, x);
    if (!data || !accepts(*info, *data)) {
      errors.push_back({x.source().begin,
                        std::string{info->name} + ": " + complaint(*info, x)});
      return;
    }
    info->set(target, *data);
    origins[std::string{info->name}] = prefix(x.source().begin);
  }

  void read_table(const toml::key& key, const toml::node& x) {
    auto table = printable_name(key.str());
    auto known = option_table();
    auto is_known = std::any_of(known.begin(), known.end(), [&](auto& info) {
      return info.table() == key.str();
    });
    if (!is_known) {
      errors.push_back(
        {key.source().begin,
         table
           + (x.is_table() ? ": unknown table"
                           : ": unknown option; options stand in "
                             "tables such as [redis]")});
      return;
    }
    auto xs = x.as_table();
    if (!xs) {
      // An array, i.e. [[resp]], may hold a password: it is not shown.
      auto got = x.is_array() ? "an array" : clip(describe(x));
      errors.push_back(
        {x.source().begin, table + ": expected a table, got " + got});
      return;
    }
    for (auto& [inner, value] : *xs)
      read_key(table, inner, value);
  }
};

} // namespace

// -- layers -------------------------------------------------------------------

void config_reader::add_file(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{
    std::fopen(path.c_str(), "rb"), std::fclose};
  std::string text(max_file_size + 1, '\0');
  if (file)
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (!file || std::ferror(file.get()))
    errors_.push_back(path + ": cannot be read: " + std::strerror(errno));
  else if (text.size() > max_file_size)
    errors_.push_back(path + ": is larger than " + format_size(max_file_size));
  else
    add_text(text, path);
}

void config_reader::add_text(std::string_view text, const std::string& name) {
  document doc{options_, origins_, name, {}};
  try {
    auto root = toml::parse(text);
    for (auto& [key, value] : root)
      doc.read_table(key, value);
  } catch (const toml::parse_error& err) {
    doc.errors.push_back({err.source().begin, one_line(err.description())});
  }
  // toml++ hands tables out by name; people read from top to bottom.
  std::stable_sort(doc.errors.begin(), doc.errors.end(),
                   [](auto& x, auto& y) { return x.where < y.where; });
  for (auto& err : doc.errors)
    errors_.push_back(doc.prefix(err.where) + ": " + err.text);
}

void config_reader::add_value(std::string_view option, std::string_view text,
                              const std::string& where) {
  std::string name{option};
  if (auto err = set_option(options_, option, text)) {
    auto shown = clip(is_printable(name) ? name : quote(name));
    errors_.push_back(where + ": " + shown + ": " + *err);
  } else {
    origins_[name] = where;
  }
}

// -- result -------------------------------------------------------------------

config_result config_reader::finish() const {
  if (!errors_.empty())
    return errors_;
  std::vector<std::string> lines;
  for (auto& problem : validate(options_)) {
    auto line = std::string{problem.concerns.front()} + ": " + problem.text;
    // Options at their defaults have no origin; some other one broke the rule.
    for (auto name : problem.concerns) {
      if (auto i = origins_.find(name); i != origins_.end()) {
        line = i->second + ": " + line;
        break;
      }
    }
    lines.push_back(std::move(line));
  }
  if (!lines.empty())
    return lines;
  return options_;
}

config_result load_options(const std::string& path) {
  config_reader reader;
  reader.add_file(path);
  return reader.finish();
}

config_result parse_options(std::string_view text, const std::string& name) {
  config_reader reader;
  reader.add_text(text, name);
  return reader.finish();
}

} // namespace terrace
