// The single-listener variables of old gateways: recognised, refused, and answered with the listener
// variables that replace them, the values filled in.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

bool is_legacy_variable(std::string_view name);
// One problem for all of them. `variables` are those that count (not empty, not Kubernetes').
void report_legacy_variables(const std::map<std::string, std::string, std::less<>>& variables,
                             const Draft& draft, Report& report);

}  // namespace kferry::config
