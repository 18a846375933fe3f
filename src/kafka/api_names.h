// The names of Kafka's APIs, and how far this build knows them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace kferry::kafka {

// Keys above this and below first_vendor_api_key may carry addresses one day: they are hidden from clients.
inline constexpr std::int16_t newest_api_key = 94;
// Vendors number their own APIs from here; they pass.
inline constexpr std::int16_t first_vendor_api_key = 10'000;

// "Metadata"; "unknown API" or "vendor API" for a key without a name. Lives for ever.
std::string_view api_name(ApiKey key);

}  // namespace kferry::kafka
