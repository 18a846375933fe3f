// Clients that do not read while brokers push: the others go on to the end, what kferry holds for each is
// bounded, and when they read again nothing is missing.
#include <algorithm>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Of one direction, in kferry: what it may queue before it stops receiving, and one receive more
// (session.cc), twice.
constexpr std::uint64_t held_max = 2 * 128 * 1024;

// One worker with few buffers and small sockets, whose brokers are known before the first client.
WorldOptions narrow_options(Run& run) {
  WorldOptions options = some_options(run);
  options.buffers = std::size_t{8} << run.dice.below(4);
  options.buffer_size = std::size_t{4096} << run.dice.below(3);
  options.workers = 1;
  options.discovery = true;
  options.credentials = false;
  options.simulation.socket_buffer_max = options.simulation.socket_buffer_min + 50'000;
  return options;
}

TEST_CASE("the pool stays in motion with eight stalled readers") {
  over_seeds("the pool stays in motion with eight stalled readers", 10, [](Run& run) {
    WorldOptions options = narrow_options(run);
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    std::vector<Connection*> stalled;
    for (int i = 0; i < 8; ++i) {
      const std::int32_t id = run.dice.of(world->options.ids);
      stalled.push_back(&world->connect(id));
      stalled.back()->reading = false;
      for (int k = 0; k < 3; ++k) {
        Order order = order_of(run.dice, run.dice.one_in(3) ? Kind::fetch : Kind::opaque, 12);
        if (order.kind == Kind::opaque) order.key = 32;
        order.meant_for = id;
        order.reply_size = (1U << 20U) + run.dice.below(100'000);
        stalled.back()->ask(order);
      }
    }
    world->run_for(seconds(1));
    for (int i = 0; i < 3; ++i) {
      ClientPlan plan;
      plan.goal = 15;
      plan.mix.reply_max = 50'000;
      plan.mix.body_max = 20'000;
      world->add_client(plan);
    }
    if (!world->run(
            "clients beside eight stalled ones", [&] { return world->clients_finished(); }, minutes(5)))
      return world;
    std::uint64_t written = 0;
    for (const auto& broker : world->brokers) written += broker->bytes_written();
    std::uint64_t others = 0;
    for (const Connection* connection : stalled) others += connection->bytes_read();
    const std::uint64_t bound = world->ledger.bytes_verified +
                                8 * (held_max + 2 * world->options.simulation.socket_buffer_max) + 100'000;
    if (written > bound)
      world->ledger.violation(
          "kferry took " + std::to_string(written) + " bytes from brokers: " + std::to_string(others) +
          " were read by stalled clients and " + std::to_string(world->ledger.bytes_verified) + " by others");
    for (Connection* connection : stalled) connection->reading = true;
    world->run(
        "stalled clients that read again",
        [&] {
          return std::all_of(stalled.begin(), stalled.end(),
                             [](const Connection* one) { return one->idle(); });
        },
        minutes(10));
    for (const Connection* connection : stalled) {
      if (connection->done() != 3)
        world->ledger.violation(connection->text() + ": not everything came after the stall");
    }
    world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("a broker that does not read holds up its own clients only") {
  over_seeds("a broker that does not read holds up its own clients only", 5, [](Run& run) {
    WorldOptions options = narrow_options(run);
    options.ids = {1, 2};
    options.listed_ids.clear();
    options.ports = 2;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    world->broker(2).reading = false;
    std::vector<Connection*> pushing;
    const auto ask = [&](Connection& connection, std::int32_t id, std::size_t size) {
      Order order = order_of(run.dice, Kind::produce, 8);
      order.meant_for = id;
      order.body_size = size;
      connection.ask(order);
    };
    for (int i = 0; i < 8; ++i) {
      pushing.push_back(&world->connect(2));
      for (int k = 0; k < 3; ++k) ask(*pushing.back(), 2, (1U << 20U) + run.dice.below(100'000));
    }
    world->run_for(seconds(1));
    Connection& other = world->connect(1);
    for (int i = 0; i < 40; ++i) ask(other, 1, run.dice.below(50'000));
    world->run("a client beside eight that push", [&] { return other.idle(); }, minutes(5));
    world->broker(2).reading = true;
    world->run(
        "clients of a broker that reads again",
        [&] {
          return std::all_of(pushing.begin(), pushing.end(),
                             [](const Connection* one) { return one->idle(); });
        },
        minutes(10));
    world->expect_only({});
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
