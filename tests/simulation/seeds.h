// Runs a scenario over one seed after another, as many steps as its share of the run allows, and makes a
// failure of any kind, a crash too, print what repeats it.
//
//   KFERRY_SIMULATION_STEPS   events in all scenarios together; default: a few seconds' worth
//   KFERRY_SIMULATION_SEED    the first seed; default 1
//   KFERRY_SIMULATION_TRACE   set: one line for each thing that happens, and only the first seed
#pragma once

#include <cstdint>
#include <functional>

#include "world.h"

namespace kferry::simulation {

// What a scenario is given.
struct Run {
  std::uint64_t seed = 0;
  bool trace = false;
  // For chances that come before the world: its options.
  Dice dice;
};

// `share` of all steps, in parts of a hundred. The scenario returns the world it has run to its end; its
// violations fail the test.
void over_seeds(const char* scenario, unsigned share, const std::function<std::unique_ptr<World>(Run&)>& run);

// Options with chances taken: latency, buffers, short reads and the like.
WorldOptions some_options(Run& run);

}  // namespace kferry::simulation
