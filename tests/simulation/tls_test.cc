// TLS on either side or both, under every split and delay that a seed brings: the same promises as without.
#include <array>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;

WorldOptions some_tls(Run& run) {
  WorldOptions options = some_options(run);
  const std::uint64_t sides = 1 + run.dice.below(3);
  options.client_tls = (sides & 1) != 0;
  options.broker_tls = (sides & 2) != 0;
  return options;
}

TEST_CASE("TLS: every byte arrives once and in order") {
  over_seeds("TLS: every byte arrives once and in order", 10, [](Run& run) {
    const WorldOptions options = some_tls(run);
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients) {
      ClientPlan plan;
      plan.goal = 5 + run.dice.below(40);
      plan.window = 1 + run.dice.below(20);
      plan.sasl = !options.discovery || options.credentials;
      plan.mix.body_max = run.dice.one_in(4) ? 40'000 : 400;
      plan.mix.reply_max = run.dice.one_in(3) ? 150'000 : 3'000;
      plan.mix.large_one_in = run.dice.one_in(6) ? 20 : 0;
      world->add_client(plan);
    }
    if (world->run(
            "clients with their traffic in TLS", [&] { return world->clients_finished(); }, minutes(10)))
      world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("TLS: any mixture of ends: a cut stream never looks complete") {
  over_seeds("TLS: any mixture of ends", 5, [](Run& run) {
    WorldOptions options = some_tls(run);
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
    for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients) {
      ClientPlan plan;
      plan.goal = 20;
      plan.failures = true;
      plan.mix.reply_max = run.dice.one_in(3) ? 100'000 : 3'000;
      world->add_client(plan);
    }
    world->run("clients whose TLS ends in every way", [&] { return world->clients_finished(); }, minutes(60));
    world->stop();
    return world;
  });
}

TEST_CASE("TLS: an end at any moment leaves nothing behind") {
  over_seeds("TLS: an end at any moment leaves nothing behind", 5, [](Run& run) {
    auto world = std::make_unique<World>(run.seed, some_tls(run), run.trace);
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients) {
      ClientPlan plan;
      plan.goal = 1'000'000;
      plan.failures = true;
      world->add_client(plan);
    }
    world->run_for(Duration(run.dice.below(200'000'000)));
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
