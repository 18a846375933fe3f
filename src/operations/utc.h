// Times of day as the log and the health answer show them. Pure.
#pragma once

#include <time.h>

#include <chrono>
#include <string>

namespace kferry::operations {

// "2026-11-24T16:38:00", in UTC and without a zone: fractions of a second and the Z may follow.
std::string utc_text(time_t seconds);
// "2026-11-24T16:38:00.123Z"
std::string timestamp(std::chrono::system_clock::time_point at);

}  // namespace kferry::operations
