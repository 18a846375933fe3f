// Columns side by side for a person: two spaces apart, indented by two.
#pragma once

#include <string>
#include <vector>

namespace kferry::cli {

using Rows = std::vector<std::vector<std::string>>;

std::string table(const Rows& rows);

}  // namespace kferry::cli
