// Reads the TOML text into the draft. Unknown keys and wrong types are reported with file:line; validate.h
// judges the values.
#pragma once

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// False: a syntax error, which is the only problem reported.
bool read_toml(const Toml& toml, const Sources& sources, Draft& draft, Report& report);

}  // namespace kferry::config
