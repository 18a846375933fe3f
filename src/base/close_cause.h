// Why a client's connection ended: one list for the log, the metrics and the audit trail. Every connection that was
// accepted ends with exactly one of these causes.
//
// The names are an interface: docs/metrics.md gives each its meaning, and tests/cli/test_close_causes.py compares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kferry {

enum class CloseCause : std::uint8_t {
  client_closed,
  broker_closed,
  client_reset,
  broker_reset,
  client_timeout,
  broker_unreachable,
  refused_tls,
  refused_protocol,
  refused_limit,
  refused_address,
  frame_invalid,
  drain_completed,
  drain_timeout,
  max_age,
  reload,
  internal,
  end_,
};
inline constexpr auto close_causes = static_cast<std::size_t>(CloseCause::end_);

// Indexed by CloseCause.
inline constexpr std::array<std::string_view, close_causes> close_cause_names = {
    "client_closed",      "broker_closed",   "client_reset",     "broker_reset",  "client_timeout",
    "broker_unreachable", "refused_tls",     "refused_protocol", "refused_limit", "refused_address",
    "frame_invalid",      "drain_completed", "drain_timeout",    "max_age",       "reload",
    "internal",
};

constexpr std::string_view to_string(CloseCause cause) {
  return close_cause_names[static_cast<std::size_t>(cause)];
}

}  // namespace kferry
