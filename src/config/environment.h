// Reads GATEWAY_* and KAFKA_* variables into the draft, over what the file said of the cluster `default`.
// Every name is either used, known to mean nothing here (a warning), injected by Kubernetes (ignored), or
// unknown (a warning; an error as a suffix of a declared listener, where a slip would lose a setting).
#pragma once

#include <map>
#include <string>

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

void read_variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
                    Report& report);

}  // namespace kferry::config
