// The number of one client connection, by which lines of the log belong together (proxy/session_ids.h).
#pragma once

#include <cstdint>

namespace kferry {

// 0: none.
enum class SessionId : std::uint64_t {};

constexpr std::uint64_t number(SessionId id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace kferry
