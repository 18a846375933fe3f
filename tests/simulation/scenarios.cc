// See scenarios.h.
#include "scenarios.h"

#include <array>
#include <chrono>

namespace kferry::simulation {

using std::chrono::minutes;

std::unique_ptr<World> traffic(Run& run, const WorldOptions& options) {
  const bool sasl = !options.discovery || options.credentials;
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  world->start();
  for (std::uint64_t clients = 1 + run.dice.below(6); clients > 0; --clients) {
    ClientPlan plan;
    plan.goal = 5 + run.dice.below(60);
    plan.window = 1 + run.dice.below(40);
    plan.sasl = sasl;
    plan.mix.body_max = run.dice.one_in(4) ? 40'000 : 400;
    plan.mix.reply_max = run.dice.one_in(3) ? 150'000 : 3'000;
    plan.mix.large_one_in = run.dice.one_in(6) ? 20 : 0;
    world->add_client(plan);
  }
  if (world->run("clients with their traffic", [&] { return world->clients_finished(); }, minutes(10)))
    world->expect_only({});
  world->stop();
  return world;
}

std::unique_ptr<World> mixture_of_ends(Run& run, WorldOptions options) {
  options.simulation.reset = static_cast<std::uint32_t>(run.dice.below(3'000));
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  for (const auto& broker : world->brokers) {
    broker->fate = [&dice = world->dice] {
      static constexpr std::array<Ending, 7> endings = {Ending::none,
                                                        Ending::none,
                                                        Ending::close,
                                                        Ending::close_mid_frame,
                                                        Ending::reset,
                                                        Ending::reset_mid_frame,
                                                        Ending::wrong_correlation};
      return Fate{dice.of(endings), dice.below(15), 0};
    };
  }
  world->start();
  for (std::uint64_t clients = 1 + run.dice.below(5); clients > 0; --clients) {
    ClientPlan plan;
    plan.goal = 30;
    plan.failures = true;
    plan.mix.reply_max = run.dice.one_in(3) ? 100'000 : 3'000;
    world->add_client(plan);
  }
  world->run(
      "clients whose connections end in every way", [&] { return world->clients_finished(); }, minutes(60));
  world->stop();
  return world;
}

}  // namespace kferry::simulation
