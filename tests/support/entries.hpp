/// Short forms of keys and entries.
#pragma once

#include "messages/key.hpp"
#include "messages/record.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terrace::test {

inline std::string key(std::string_view name, tenant_id tenant = 0) {
  return qualify(tenant, name);
}

inline entry make(std::string_view name, version_t version = 1,
                  std::string_view value = "value", std::int64_t expires_ms = 0,
                  std::vector<std::string> tags = {}, tenant_id tenant = 0) {
  return {key(name, tenant),
          {blob::copy(value), version, expires_ms, std::move(tags)}};
}

} // namespace terrace::test
