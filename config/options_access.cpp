#include "config/options_access.hpp"

#include "config/quantity.hpp"
#include "config/text.hpp"

namespace terrace {

std::vector<std::string_view> option_names() {
  std::vector<std::string_view> result;
  for (auto& info : option_table())
    result.push_back(info.name);
  return result;
}

std::optional<std::string> option_value(const options& x, std::string_view name,
                                        secrets how) {
  auto info = find_option(name);
  if (!info)
    return std::nullopt;
  return to_text(*info, info->get(x), how);
}

std::optional<std::string> set_option(options& x, std::string_view name,
                                      std::string_view text) {
  auto info = find_option(name);
  if (!info)
    return "unknown option" + suggestion(name);
  auto data = from_text(*info, text);
  if (!data || !accepts(*info, *data))
    return "expected " + expectation(*info) + ", got "
           + clip(quote(info->mask ? info->mask(text) : std::string{text}));
  info->set(x, *data);
  return std::nullopt;
}

bool is_live_option(std::string_view name) {
  auto info = find_option(name);
  return info && info->live;
}

std::string print_options(const options& x, secrets how) {
  std::string result;
  std::string_view table;
  for (auto& info : option_table()) {
    if (info.table() != table) {
      result += result.empty() ? "[" : "\n[";
      result += info.table();
      result += "]\n";
      table = info.table();
    }
    result += "# ";
    result += info.doc;
    result += '\n';
    result += info.key();
    result += " = " + to_toml(info, info.get(x), how) + '\n';
  }
  return result;
}

} // namespace terrace
