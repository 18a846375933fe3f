// Loads a configuration for a verb, or says what is wrong with it as a person at stderr reads it: a line
// each, coloured on a terminal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/load.h"

namespace kferry::cli {

void print_problems(const std::vector<config::Problem>& problems);
// What the process's environment and the file at `path` (config::system_sources) come to. nullopt: everything
// wrong has been printed, what is broken of its files and warnings too; the verb ends with
// exit_configuration. Otherwise the warnings are the caller's to show. "2 errors in the configuration"
void print_count(std::size_t errors);
std::optional<config::Loaded> load_or_explain(const std::optional<std::string>& path);
// A warning that clients may have no address for `host`, which the listener advertises: they may have other DNS than
// this host.
config::Problem unresolved_name(const config::Listener& listener, const std::string& host,
                                const std::string& why);

}  // namespace kferry::cli
