// A self-test of the ciphers. At start wolfCrypt chooses implementations by the processor's feature flags, and those
// can be wrong: QEMU 7.2's "max" announces VAES and then rejects some of its instructions with SIGILL. This test finds
// that out at start, not under traffic.
#pragma once

#include <optional>
#include <string>

namespace kferry::tls {

// What is computed wrong, and what to do; nullopt if everything is right. Takes half a millisecond in a new process.
std::optional<std::string> check_known_answers();

}  // namespace kferry::tls
