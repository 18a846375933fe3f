// The error codes of the Kafka protocol that kferry reads, writes or names to a person.
#pragma once

#include <cstdint>
#include <string>

namespace kferry::kafka {

inline constexpr std::int16_t error_none = 0;
inline constexpr std::int16_t error_leader_not_available = 5;
inline constexpr std::int16_t error_coordinator_not_available = 15;
inline constexpr std::int16_t error_unsupported_version = 35;
inline constexpr std::int16_t error_sasl_authentication_failed = 58;
inline constexpr std::int16_t error_rebootstrap_required = 129;

// Such as "SASL_AUTHENTICATION_FAILED"; "error 1234" for a code that is not in the list.
std::string error_name(std::int16_t code);

}  // namespace kferry::kafka
