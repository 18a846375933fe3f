// What is wrong with a configuration, as a person at stderr reads it: a line each, coloured on a terminal.
#pragma once

#include <vector>

#include "config/load.h"

namespace kferry::cli {

void print_problems(const std::vector<config::Problem>& problems);
// "2 errors in the configuration".
void print_count(const std::vector<config::Problem>& errors);

}  // namespace kferry::cli
