// The names of security protocols, as Kafka spells them, and what each of them includes.
#pragma once

#include <string_view>

#include "config/config.h"
#include "config/fault.h"

namespace kferry::config {

// Without regard to case.
Parsed<SecurityProtocol> parse_security_protocol(std::string_view text);
std::string_view name_of(SecurityProtocol protocol);

constexpr bool uses_tls(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::ssl || protocol == SecurityProtocol::sasl_ssl;
}
constexpr bool uses_sasl(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::sasl_plaintext || protocol == SecurityProtocol::sasl_ssl;
}

}  // namespace kferry::config
