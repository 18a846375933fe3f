// The command line's words: parsed into one of the commands' options. Pure but for what CLI11 prints.
#pragma once

#include <expected>
#include <string>
#include <variant>

#include "cli/commands.h"

namespace kferry::cli {

struct CompletionOptions {
  std::string shell;
};
using Options = std::variant<RunOptions, CheckOptions, DoctorOptions, ProbeOptions, HealthOptions,
                             ReloadOptions, UpgradeOptions, DrainOptions, SettingsOptions, CompletionOptions>;

// The exit status instead, when help, the version or an error has been printed.
std::expected<Options, int> parse_options(int count, const char* const* words);
std::string version_text();

}  // namespace kferry::cli
