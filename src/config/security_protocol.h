// The names of security protocols, as Kafka spells them, and what each of them includes.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "config/config.h"

namespace kferry::config {

// In the order of the enumerators.
inline constexpr std::array<std::string_view, 4> security_protocol_names{"PLAINTEXT", "SSL", "SASL_PLAINTEXT",
                                                                         "SASL_SSL"};
constexpr std::string_view name_of(SecurityProtocol protocol) {
  return security_protocol_names[static_cast<std::size_t>(protocol)];
}

constexpr bool uses_tls(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::ssl || protocol == SecurityProtocol::sasl_ssl;
}
constexpr bool uses_sasl(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::sasl_plaintext || protocol == SecurityProtocol::sasl_ssl;
}

}  // namespace kferry::config
