// What is said of a broker that clients cannot reach: one line for an outage and one for its end, however many clients
// meet it; and another cause where the broker lives and refuses by a limit of its own.
#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::unique_ptr<World> known_world(Run& run, bool tls) {
  WorldOptions options = some_options(run);
  options.ids = {1, 2, 3};
  options.listed_ids.clear();
  options.min_broker_id = 1;
  options.ports = 3;
  options.discovery = true;
  options.credentials = false;
  options.broker_tls = tls;
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  world->start();
  world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
  return world;
}

// A client of the broker with this id: true where it is answered, false where its connection ends.
bool served(Run& run, World& world, Connection& connection) {
  connection.ask(order_of(run.dice, Kind::api_versions, run.dice.between<std::int16_t>(0, 3)));
  world.run(
      "an answer or an end",
      [&] { return connection.done() > 0 || connection.state() != Connection::State::open; }, minutes(1));
  return connection.done() > 0;
}

void expect(World& world, std::string_view cause, std::size_t times) {
  const std::size_t found = world.logged(cause);
  if (found != times)
    world.ledger.violation(std::to_string(found) + " lines of " + std::string(cause) + " instead of " +
                           std::to_string(times));
}

TEST_CASE("an outage of a broker is one line, and its end another") {
  over_seeds("an outage of a broker is one line, and its end another", 3, [](Run& run) {
    auto world = known_world(run, run.dice.one_in(4));
    for (std::size_t outage = 1; outage <= 3; ++outage) {
      world->broker(2).kill();
      for (std::uint64_t clients = 1 + run.dice.below(20); clients > 0; --clients) {
        Connection& client = world->connect(2);
        client.ask(order_of(run.dice, Kind::api_versions, 0));
        world->run_for(milliseconds(run.dice.below(2'000)));
        client.close();
      }
      world->run_for(seconds(5));
      expect(*world, "broker_unreachable", outage);
      expect(*world, "broker_reached", outage - 1);
      world->serve(2);
      world->run_for(seconds(2));
      for (int i = 0; i < 5; ++i) {
        Connection& client = world->connect(2);
        if (!served(run, *world, client)) world->ledger.violation("a broker that is back does not serve");
        client.close();
        world->run_for(seconds(1));
      }
      expect(*world, "broker_unreachable", outage);
      expect(*world, "broker_reached", outage);
    }
    world->stop();
    return world;
  });
}

TEST_CASE("a dial that its client's end cuts short is the client's affair") {
  over_seeds("a dial that its client's end cuts short is the client's affair", 2, [](Run& run) {
    auto world = known_world(run, run.dice.one_in(4));
    for (const std::int32_t id : {1, 2, 3})
      world->simulation.set_dial_fault(world->address_of(id), ring::DialFault::hang);
    Connection& client = world->connect(2);
    // Up to version 2 a header without a body: the request is whole, and its client may end behind it.
    client.ask(order_of(run.dice, Kind::api_versions, run.dice.between<std::int16_t>(0, 3)));
    world->run("a request on its way", [&] { return client.written(); }, minutes(1));
    // Broker 2 is given up after 5 seconds. The next one is being dialled when the client's time is up.
    world->run_for(milliseconds(1'000 + run.dice.below(3'000)));
    client.half_close();
    world->run("no session left", [&] { return world->sessions(0) == 0; }, seconds(8));
    expect(*world, "dial_abandoned", 1);
    expect(*world, "upstream_unreachable", 0);
    expect(*world, "broker_unreachable", 1);
    for (const std::int32_t id : {1, 2, 3})
      world->simulation.set_dial_fault(world->address_of(id), ring::DialFault::none);
    world->stop();
    return world;
  });
}

TEST_CASE("a silent stand-in is passed over within a second, and not blamed") {
  over_seeds("a silent stand-in is passed over within a second, and not blamed", 2, [](Run& run) {
    auto world = known_world(run, false);
    world->run_for(seconds(2));  // kferry's own connections end
    world->broker(1).kill();
    world->simulation.set_dial_fault(world->address_of(2), ring::DialFault::hang);
    Connection& client = world->connect(1);
    client.ask(order_of(run.dice, Kind::api_versions, run.dice.between<std::int16_t>(0, 3)));
    world->run("a request on its way", [&] { return client.written(); }, minutes(1));
    // Broker 1 refuses twice, broker 2 is given a second, broker 3 answers.
    world->run("an answer of a stand-in", [&] { return client.done() > 0; }, seconds(2));
    expect(*world, "broker_unreachable", 1);
    world->simulation.set_dial_fault(world->address_of(2), ring::DialFault::none);
    world->stop();
    return world;
  });
}

TEST_CASE("a broker that refuses connections beyond its limit is named so, and stays up") {
  over_seeds("a broker that refuses connections beyond its limit is named so, and stays up", 3, [](Run& run) {
    auto world = known_world(run, run.dice.one_in(2));
    Broker& broker = world->broker(2);
    Connection& first = world->connect(2);
    if (!served(run, *world, first)) world->ledger.violation("the first client is not served");
    // kferry's own connections end; then the limit is what the broker has.
    world->run_for(seconds(2));
    broker.connections_max = broker.connections_open();
    for (std::uint64_t clients = 3 + run.dice.below(5); clients > 0; --clients) {
      const std::size_t refused = broker.connections_refused();
      Connection& client = world->connect(2);
      // The client may be served by another broker, as behind one that is down, but this one was tried.
      served(run, *world, client);
      if (broker.connections_refused() == refused) world->ledger.violation("the broker was not dialled");
      client.close();
      if (!served(run, *world, first)) world->ledger.violation("the first client lost its broker");
      world->run_for(milliseconds(run.dice.below(500)));
    }
    if (world->logged("broker_limits_connections", "max.connections.per.ip") == 0)
      world->ledger.violation("the broker's limit was not named");
    expect(*world, "broker_unreachable", 0);
    // Below its limit again, the broker serves the next client at once.
    broker.connections_max = SIZE_MAX;
    const std::size_t made = broker.connections_made();
    Connection& next = world->connect(2);
    if (!served(run, *world, next)) world->ledger.violation("the next client is not served");
    if (broker.connections_made() == made) world->ledger.violation("the next client met another broker");
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
