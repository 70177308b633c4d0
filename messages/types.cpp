#include "messages/types.hpp"

namespace terrace {

failure to_failure(const caf::error& x) {
  if (!x)
    return {};
  if (x.category() == error_category) {
    failure result{static_cast<errc>(x.code()), {}};
    if (x.context().match_elements<std::string>())
      result.detail = x.context().get_as<std::string>(0);
    return result;
  }
  auto text = caf::to_string(x);
  if (x == caf::sec::request_timeout)
    return {errc::timeout, std::move(text)};
  if (x == caf::sec::request_receiver_down || x.category() == caf::atom("exit"))
    return {errc::shutting_down, std::move(text)};
  return {errc::unavailable, std::move(text)};
}

std::string render_error(std::uint8_t code, caf::atom_value,
                         const caf::message& context) {
  failure x{static_cast<errc>(code), {}};
  if (context.match_elements<std::string>())
    x.detail = context.get_as<std::string>(0);
  return to_string(x);
}

void add_terrace_types(caf::actor_system_config& cfg) {
  cfg.add_message_types<caf::id_block::terrace>();
  cfg.add_error_category(error_category, render_error);
}

} // namespace terrace
