// A relay that holds every byte for a while, in each direction: a network with a long way and no limit of its
// own. It adds no loss and no bound on what is under way, so that a proxy's own round trips are what shows.
#pragma once

#include <chrono>
#include <string>

namespace kferry::bench {

// Prints "listening PORT" on stdout, then carries connections from `listen` to `to` until killed.
[[noreturn]] void relay(const std::string& listen, const std::string& to, std::chrono::nanoseconds each_way);

}  // namespace kferry::bench
