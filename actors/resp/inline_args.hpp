/// Splits a line that a person typed into arguments, with Redis' quoting rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace terrace::resp {

/// Appends the arguments of `line` to `args`; they live in `arena`, whose old
/// content is lost, each behind two bytes of padding. Blanks separate
/// arguments. Double quotes understand \n \r \t \b \a \xHH and backslash with
/// any other byte; single quotes only \'. False if a quote is not closed or its
/// end is not the end of the argument; `args` is unchanged then. Source:
/// sdssplitargs of Redis 7.
bool split_inline(std::string_view line, std::string& arena,
                  std::vector<std::string_view>& args);

} // namespace terrace::resp
