// What is run over every kind of side, plain or TLS: each promise is checked by the same script.
#pragma once

#include <memory>

#include "seeds.h"

namespace kferry::simulation {

// Clients with their traffic, and nothing goes wrong: every byte arrives once and in order, nothing is logged
// as wrong.
std::unique_ptr<World> traffic(Run& run, const WorldOptions& options);
// Connections that end in every way, on both sides, resets included: a cut stream never looks complete.
std::unique_ptr<World> mixture_of_ends(Run& run, WorldOptions options);

}  // namespace kferry::simulation
