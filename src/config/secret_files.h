// Secrets that a file holds: `name_file` in the file, NAME_FILE in the environment.
#pragma once

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// Replaces every secret's `name_file` in the draft by `name`, with the file's text without_line_end().
// Reports files that cannot be read, and secrets that are given both ways.
void read_secret_files(Draft& draft, const Sources& sources, Report& report);

}  // namespace kferry::config
