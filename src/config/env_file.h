// GATEWAY_ENV_FILE: a file of `[export ]NAME=value` lines with '#' comments. Values may be quoted.
#pragma once

#include <map>
#include <string>

#include "config/report.h"

namespace kferry::config {

// Adds the file's variables to sources.environment; those of the process take precedence. `places` receives
// the file:line of each name that came from the file.
void read_env_file(Sources& sources, std::map<std::string, std::string>& places, Report& report);

}  // namespace kferry::config
