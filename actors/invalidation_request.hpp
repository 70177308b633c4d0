/// The body of `POST /api/v1/cache/clear`.
#pragma once

#include "messages/expected.hpp"
#include "messages/selector.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace {

/// What to remove, and why.
struct invalidation_request {
  selector what;
  std::string reason;

  friend bool
  operator==(const invalidation_request&, const invalidation_request&)
    = default;
};

/// Reads `{"pattern": "user:*", "tenant": 0, "reason": "..."}`. Exactly one of
/// `key`, `prefix`, `pattern` (a glob), `tag` and `"all": true` says what;
/// `tenant` alone means the whole tenant. Strict: unknown members, wrong types,
/// an empty text, a tenant from `tenants` on, and `tenant` beside `all` fail
/// with `invalid_argument` and a sentence that says what is wrong.
expected<invalidation_request> parse_invalidation(std::string_view body,
                                                  std::uint32_t tenants);

/// The opposite, for clients.
std::string to_json(const invalidation_request& x);

} // namespace terrace
