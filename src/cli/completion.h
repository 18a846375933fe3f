// Completion scripts for bash, zsh and fish, as `kferry completion SHELL` prints them.
#pragma once

#include <optional>
#include <string_view>

namespace kferry::cli {

// nullopt: no such shell.
std::optional<std::string_view> completion_script(std::string_view shell);

}  // namespace kferry::cli
