// `${NAME}` in the strings of the file.
#pragma once

#include <string>
#include <string_view>

#include "config/report.h"

namespace kferry::config {

// Replaces each `${NAME}` by the environment variable; `$${` is a plain `${`. Reports names that are unset or
// malformed, without showing text that may be a secret.
std::string interpolate(std::string_view text, const std::string& where, const Sources& sources,
                        Report& report);

}  // namespace kferry::config
