// Reads GATEWAY_* and KAFKA_* variables into the draft, where they override the file's cluster `default`.
// Every name is either used, known to mean nothing here (a warning), injected by Kubernetes (ignored), or
// unknown (a warning; for a declared listener an error, because a misspelled suffix would lose a setting).
#pragma once

#include <map>
#include <string>

#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

void read_variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
                    Report& report);

}  // namespace kferry::config
