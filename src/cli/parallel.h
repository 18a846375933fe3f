// Jobs that wait for the network, a few at a time, with their progress for a person at a terminal.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace kferry::cli {

inline constexpr std::size_t parallel_jobs_max = 16;

// Calls job(0) to job(count - 1), at most parallel_jobs_max at once, each on some thread, and returns when all are
// done. Where the host refuses threads, fewer run at once. On a terminal stderr shows "WHAT: 3 of 40" meanwhile.
void in_parallel(std::size_t count, const std::string& what, const std::function<void(std::size_t)>& job);

}  // namespace kferry::cli
