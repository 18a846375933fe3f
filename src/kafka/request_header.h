// Offsets in a request, counted from the start of the frame: length, API key, version, correlation id, client
// id.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "kafka/wire.h"

namespace kferry::kafka {

inline constexpr std::size_t api_key_at = length_size;
inline constexpr std::size_t version_at = 6;
inline constexpr std::size_t correlation_id_at = 8;
// The first field without a fixed size: a structure walker begins here.
inline constexpr std::uint32_t client_id_at = request_header_size_min;
// The header up to and including the client id's length, which every plausible request has.
inline constexpr std::size_t plausible_size = client_id_at + sizeof(std::int16_t);

}  // namespace kferry::kafka
