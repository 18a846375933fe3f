// What a valid configuration will do, as a person reads it: listeners, the port of each broker, what a
// firewall must let through, the names DNS must know, the upstreams. Pure; no secret is in it.
#pragma once

#include <string>

#include "config/config.h"

namespace kferry::cli {

std::string plan_text(const config::Config& config);

}  // namespace kferry::cli
