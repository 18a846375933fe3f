// kferry's own SASL credentials at the brokers, for discovery: mechanism and JAAS text, judged together.
#pragma once

#include <optional>

#include "config/config.h"
#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// `section` is the upstream's. nullopt: not configured, or wrong (reported). If the protocol is known not to
// include SASL, credentials are a warning.
std::optional<SaslCredentials> read_credentials(const Section& section, SecurityProtocol protocol,
                                                bool protocol_known, Report& report);

}  // namespace kferry::config
