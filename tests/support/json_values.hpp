/// Small JSON values of one form, of which no two are the same.
#pragma once

#include <cstdint>
#include <string>

namespace terrace::test {

/// Some 250 bytes; `i` makes the difference.
inline std::string json_value(std::uint64_t i) {
  auto mixed = [x = i * 2 + 1]() mutable {
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    return x;
  };
  auto text = [&] { return std::to_string(mixed()); };
  return R"({"id":)" + text() + R"(,"name":"customer )" + text()
         + R"(","email":"someone)" + text()
         + R"(@mail.example.org","subscription":"standard","verified":true,)"
           R"("preferences":{"newsletter":false,"language":"en-GB"},"visits":)"
         + text() + R"(,"last_seen":"2026-03-01T10:20:30Z"})";
}

/// Another form.
inline std::string other_json_value(std::uint64_t i) {
  auto x = json_value(i);
  return R"([["article",)" + x.substr(6, 18) + R"(],["warehouse position",)"
         + x.substr(20, 24)
         + R"(],["colour of the cover","dark green"],["material","leather"],)"
           R"(["price without taxes",)"
         + x.substr(6, 8) + R"(],["reviewed by the editors",null]])";
}

} // namespace terrace::test
