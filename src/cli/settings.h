// `kferry settings`: every key of the configuration, from its row in config/key_table.cc.
#pragma once

#include <span>
#include <string>

#include "config/keys.h"

namespace kferry::cli {

// For a person: table by table, with the keys whose name, variable or table contains every word, in any case.
// Empty if there are none.
std::string settings_text(std::span<const std::string> words);
// For scripts: a line of column names, then one line for each key, separated by tabs.
std::string settings_tsv();

}  // namespace kferry::cli
