// The single-listener variables of old gateways: an error that prints the listener variables that replace
// them, with the values filled in.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

bool is_legacy_variable(std::string_view name);
// Reports one problem for all of them. `variables` excludes empty ones and those that Kubernetes injects.
void report_legacy_variables(const std::map<std::string, std::string, std::less<>>& variables,
                             const Draft& draft, Report& report);

}  // namespace kferry::config
