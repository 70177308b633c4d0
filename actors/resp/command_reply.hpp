/// What the COMMAND family answers, made from the command table.
#pragma once

#include "actors/resp/command_table.hpp"
#include "actors/resp/reply.hpp"
#include "actors/resp/set_options.hpp"

#include <functional>

namespace terrace::resp {

/// Number of commands, subcommands not counted.
std::size_t command_count() noexcept;

/// COMMAND INFO: an array with an entry per name, null for unknown ones;
/// without names an entry per command.
void write_command_infos(reply_writer out, arguments names);

/// COMMAND DOCS: a map from name to facts; unknown names are left out.
void write_command_docs(reply_writer out, arguments names);

/// COMMAND LIST: the names of the commands and subcommands that `wanted` takes.
void write_command_names(reply_writer out,
                         const std::function<bool(const command&)>& wanted);

/// True if `x` belongs to a category of Redis' access control, e.g. "read". An
/// at sign in front is accepted.
bool in_category(const command& x, std::string_view category);

} // namespace terrace::resp
