// A drain at any moment: what kferry has read is answered, byte for byte, and each connection ends in order.
#include <algorithm>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<World> started(Run& run, bool tls) {
  WorldOptions options = some_options(run);
  options.discovery = true;
  options.credentials = false;
  options.workers = 1 + run.dice.below(4);
  options.client_tls = tls;
  options.broker_tls = tls && run.dice.one_in(2);
  options.simulation.reset = 0;
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  world->start();
  world->run("discovery", [&] { return world->logged("discovered") > 0; }, std::chrono::minutes(1));
  return world;
}

Connection& busy_connection(World& world, Run& run) {
  const std::int32_t id = run.dice.of(world.options.ids);
  Connection& connection = world.connect(id);
  connection.window = 1 + run.dice.below(12);
  if (run.dice.one_in(3)) connection.bytes_per_turn = 1 + run.dice.below(2'000);
  Mix mix;
  mix.reply_max = run.dice.one_in(3) ? 200'000 : 3'000;
  for (std::uint64_t orders = run.dice.below(400); orders > 0; --orders)
    connection.ask(some_order(run.dice, mix, id));
  return connection;
}

// Whatever a broker has had whole is answered at the client, and the connection ended in order.
void expect_orderly_end(World& world, const Connection& connection) {
  if (connection.state() != Connection::State::ended)
    world.ledger.violation(connection.text() + " was not ended in order by the drain");
  const Ledger::Connection& known = world.ledger.connection(connection.number());
  const auto unseen = std::count_if(known.orders.begin() + static_cast<std::ptrdiff_t>(known.seen),
                                    known.orders.end(), [](const Order& one) { return one.answered(); });
  if (connection.unanswered() > static_cast<std::size_t>(unseen))
    world.ledger.violation(connection.text() + ": a broker has had requests that were not answered");
}

void drain(World& world, Duration time) {
  world.drain(time);
  world.run("a drain", [&] { return world.drain_status().done(); }, time + seconds(5));
}

void drain_at_any_moment(bool tls) {
  over_seeds(tls ? "a drain at any moment, with TLS" : "a drain at any moment", 4, [&](Run& run) {
    auto world = started(run, tls);
    std::vector<Connection*> all;
    for (std::uint64_t count = run.dice.below(8); count > 0; --count)
      all.push_back(&busy_connection(*world, run));
    if (run.dice.one_in(3)) {
      ClientPlan plan;
      plan.goal = 1'000'000;
      plan.failures = true;
      world->add_client(plan);
    }
    world->run_for(Duration(run.dice.below(run.dice.one_in(2) ? 2'000'000 : 100'000'000)));
    drain(*world, seconds(60));
    world->run(
        "the clients' ends",
        [&] {
          return std::ranges::none_of(
              all, [](const Connection* one) { return one->state() == Connection::State::open; });
        },
        seconds(10));
    if (world->drain_status().cut > 0) world->ledger.violation("a drain reset what it should have answered");
    for (const Connection* one : all) expect_orderly_end(*world, *one);
    world->stop();
    return world;
  });
}

TEST_CASE("a drain at any moment answers what was read") {
  drain_at_any_moment(false);
}

TEST_CASE("a drain at any moment answers what was read, with TLS") {
  drain_at_any_moment(true);
}

TEST_CASE("five requests under way when a drain begins are answered") {
  over_seeds("five requests under way when a drain begins", 2, [](Run& run) {
    auto world = started(run, run.dice.one_in(2));
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& connection = world->connect(id);
    connection.window = 5;
    Mix mix;
    mix.reply_max = 50'000;
    Order first = order_of(run.dice, Kind::opaque, 1);
    first.key = 12;
    first.meant_for = id;
    connection.ask(first);
    world->run("a connection", [&] { return connection.idle(); }, seconds(30));
    // The requests take 50 ms to kferry, and the drain begins while they are on their way.
    world->simulation.after(milliseconds(50), [&connection, &run, id, mix] {
      for (int i = 0; i < 5; ++i) {
        Order order = order_of(run.dice, Kind::opaque, 1);
        order.key = 12;
        order.meant_for = id;
        order.body_size = run.dice.below(mix.reply_max);
        connection.ask(order);
      }
    });
    world->run_for(milliseconds(run.dice.below(50)));
    drain(*world, seconds(60));
    world->run("an end", [&] { return connection.state() != Connection::State::open; }, seconds(10));
    if (connection.done() != 6) world->ledger.violation(connection.text() + ": not all six are answered");
    expect_orderly_end(*world, connection);
    world->stop();
    return world;
  });
}

TEST_CASE("what is unanswered at the deadline of a drain is reset and counted") {
  over_seeds("the deadline of a drain", 1, [](Run& run) {
    auto world = started(run, false);
    const std::int32_t id = run.dice.of(world->options.ids);
    Connection& connection = world->connect(id);
    connection.reading = false;
    for (int i = 0; i < 5; ++i) {
      Order order = order_of(run.dice, Kind::opaque, 1);
      order.key = 12;
      order.meant_for = id;
      order.reply_size = 1'000'000;
      connection.ask(order);
    }
    world->run_for(milliseconds(500));
    drain(*world, seconds(3));
    const proxy::DrainStatus status = world->drain_status();
    if (status.cut != 1 || status.ended != 0)
      world->ledger.violation("counted " + std::to_string(status.cut) + " resets and " +
                              std::to_string(status.ended) + " ends in order");
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
