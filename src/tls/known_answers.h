// Answers that are known, asked of the processor before anybody's bytes are. wolfCrypt chooses among several
// implementations as it starts, by what the processor says it has; what does not hold (QEMU 7.2's "max" announces a
// VAES that it refuses in part, and the process ends by SIGILL) comes out here, not in the midst of traffic.
#pragma once

#include <optional>
#include <string>

namespace kferry::tls {

// What is computed wrong, and what to do; nullopt when all is right. Takes half a millisecond in a process just
// started.
std::optional<std::string> check_known_answers();

}  // namespace kferry::tls
