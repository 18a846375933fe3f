// What a valid configuration will do, as a person reads it: listeners, the port of each broker, what a
// firewall must let through, the names DNS must know, the upstreams, the certificates. Pure; no secret is in
// it.
#pragma once

#include <span>
#include <string>

#include "certificates/tls_contexts.h"
#include "config/config.h"

namespace kferry::cli {

std::string plan_text(const config::Config& config,
                      std::span<const certificates::OwnCertificate> certificates);

}  // namespace kferry::cli
