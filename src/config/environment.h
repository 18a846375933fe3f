// Reads GATEWAY_* and KAFKA_* variables into the draft, over what the file said of the cluster `default`.
// Every name is either used, known to mean nothing here (a warning), injected by Kubernetes (ignored), or
// unknown (a warning; an error as a suffix of a declared listener, where a slip would lose a setting).
#pragma once

#include <map>
#include <string>

#include "config/draft.h"

namespace kferry::config {

// Adds the lines of GATEWAY_ENV_FILE (`[export ]NAME=value`, '#' comments) to sources.environment, below what
// the process itself has. `places` gets file:line of each name taken from it.
void read_env_file(Sources& sources, std::map<std::string, std::string>& places, Report& report);

void read_variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
                    Report& report);

// KAFKA_SERVICE_HOST, GATEWAY_PORT=tcp://…, KAFKA_PORT_9092_TCP_ADDR and so on, of a Service whose name
// begins with `gateway` or `kafka`.
bool injected_by_kubernetes(std::string_view name, std::string_view value);

}  // namespace kferry::config
