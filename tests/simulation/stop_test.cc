// Several workers that hand connections to each other, and an end in the midst of everything: it comes, and
// leaves nothing behind.
#include <algorithm>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

TEST_CASE("an end at any moment leaves nothing behind") {
  over_seeds("an end at any moment leaves nothing behind", 6, [](Run& run) {
    WorldOptions options = some_options(run);
    options.workers = 1 + run.dice.below(4);
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->resolver.set_delay(Duration::zero(), std::chrono::milliseconds(run.dice.below(20) + 1));
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(8); clients > 0; --clients) {
      ClientPlan plan;
      plan.goal = 1'000;
      plan.failures = true;
      plan.mix.reply_max = 20'000;
      world->add_client(plan);
    }
    if (run.dice.one_in(4))
      world->simulation.set_dial_fault(world->address_of(run.dice.of(world->options.ids)),
                                       ring::DialFault::hang);
    world->run_for(Duration(run.dice.below(run.dice.one_in(2) ? 1'000'000 : 60'000'000)));
    world->stop();
    return world;
  });
}

TEST_CASE("connections are spread over the workers") {
  over_seeds("connections are spread over the workers", 2, [](Run& run) {
    WorldOptions options = some_options(run);
    options.workers = 3;
    options.discovery = true;
    options.credentials = false;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, std::chrono::minutes(1));
    std::vector<Connection*> made;
    for (int i = 0; i < 12; ++i) {
      const std::int32_t id = run.dice.of(world->options.ids);
      made.push_back(&world->connect(id));
      Order order = order_of(run.dice, Kind::opaque, 1);
      order.key = 12;
      order.meant_for = id;
      made.back()->ask(order);
      world->run_for(std::chrono::milliseconds(10));
    }
    world->run(
        "twelve connections",
        [&] {
          return std::all_of(made.begin(), made.end(), [](const Connection* one) { return one->idle(); });
        },
        std::chrono::minutes(1));
    for (std::size_t w = 0; w < 3; ++w) {
      if (world->sessions(w) != 4)
        world->ledger.violation("worker " + std::to_string(w) + " has " + std::to_string(world->sessions(w)) +
                                " of 12 sessions");
    }
    world->expect_only({});
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
