// The engine's fixed limits, each with its reason, and how they relate. config/config.h has those that an operator may
// change, with these as defaults.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kferry {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;

// A broker refuses requests beyond `socket.request.max.bytes`, 100 MiB by default.
inline constexpr std::size_t request_size_max = 100 * MiB;
// A response is bounded by its int32 length. Opaque bytes cost no memory.
inline constexpr std::size_t response_size_max = 0x7FFFFFFF;
// How much of a frame may be held before it is understood. Beyond that the connection ends.
inline constexpr std::size_t held_size_max = 1 * MiB;
// A streaming response (Fetch 16+, ShareFetch, ShareAcknowledge) up to this size is held whole and rewritten exactly. A
// longer one is neutralised in place (docs/protocol.md section 5).
inline constexpr std::size_t exact_rewrite_size_max = 64 * KiB;
// Unanswered requests on one connection. At the limit reading stops; it continues at half.
inline constexpr std::size_t unanswered_requests_max = 1024;
// int32 length, int16 key, int16 version, int32 correlation id.
inline constexpr std::size_t request_header_size_min = 4 + 2 + 2 + 4;

static_assert(exact_rewrite_size_max <= held_size_max);
static_assert(held_size_max <= request_size_max && request_size_max <= response_size_max);

}  // namespace kferry
