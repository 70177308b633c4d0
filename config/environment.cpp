#include "config/config_reader.hpp"
#include "config/options_access.hpp"
#include "config/quantity.hpp"

namespace terrace {

namespace {

struct shared_name {
  const char* variable;
  std::string_view option;
};

// Beside REDIS_URL, which sets two options.
constexpr shared_name shared_names[] = {
  {"CACHE_TTL_DEFAULT", "cache.default_ttl"},
  {"CACHE_L1_ENABLED", "memory.enabled"},
  {"CACHE_L1_MAX_SIZE", "memory.max_size"},
  {"CACHE_L1_MAX_ENTRIES", "memory.max_entries"},
  {"CACHE_L1_DEFAULT_TTL", "memory.max_ttl"},
  {"CACHE_L2_ENABLED", "redis.enabled"},
  {"CACHE_L2_TTL", "redis.max_ttl"},
  {"CACHE_L2_PREFIX", "redis.prefix"},
  {"CACHE_L3_ENABLED", "disk.enabled"},
  {"CACHE_L3_MAX_SIZE", "disk.max_size"},
  {"CACHE_L3_PATH", "disk.path"},
  {"CACHE_L3_TTL", "disk.max_ttl"},
  {"CACHE_COMPRESSION_ENABLED", "compression.enabled"},
  {"CACHE_COMPRESSION_THRESHOLD", "compression.threshold"},
};

// "redis.url" -> "TERRACE_REDIS_URL"
std::string own_name(std::string_view option) {
  std::string result = "TERRACE_";
  for (auto c : option) {
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
    result += c == '.' ? '_' : c;
  }
  return result;
}

} // namespace

bool config_reader::add_variable(const getenv_fn& env,
                                 const std::string& variable,
                                 std::string_view option, bool bare_seconds) {
  auto value = env(variable.c_str());
  if (!value || *value == '\0')
    return false;
  std::string text = value;
  if (bare_seconds && find_option(option)->kind == option_kind::duration
      && parse_count(text))
    text += 's';
  auto where = "environment: " + variable;
  if (auto err = set_option(options_, option, text)) {
    errors_.push_back(where + ": " + *err);
    return false;
  }
  origins_[std::string{option}] = where;
  return true;
}

void config_reader::add_environment(const getenv_fn& env) {
  // Who says where Redis is wants it used; CACHE_L2_ENABLED may object.
  if (add_variable(env, "REDIS_URL", "redis.url", false)) {
    options_.redis.enabled = true;
    origins_["redis.enabled"] = "environment: REDIS_URL";
  }
  for (auto& [variable, option] : shared_names)
    add_variable(env, variable, option, true);
  for (auto& info : option_table())
    add_variable(env, own_name(info.name), info.name, false);
}

} // namespace terrace
