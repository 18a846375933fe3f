// Reads the TOML text into the draft: the only file that compiles toml++. Unknown keys and wrong types are
// reported with file:line; what values mean is for validate.
#pragma once

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// False: a syntax error, the one problem reported.
bool read_toml(const Toml& toml, const Sources& sources, Draft& draft, Report& report);

}  // namespace kferry::config
