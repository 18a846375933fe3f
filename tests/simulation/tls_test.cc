// TLS on either side or both, under every split and delay that a seed brings: the same promises as without.
#include "doctest/doctest.h"
#include "scenarios.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;

WorldOptions some_tls(Run& run) {
  WorldOptions options = some_options(run);
  const std::uint64_t sides = 1 + run.dice.below(3);
  options.client_tls = (sides & 1) != 0;
  options.broker_tls = (sides & 2) != 0;
  options.terse_brokers = run.dice.one_in(2);
  return options;
}

TEST_CASE("TLS: every byte arrives once and in order") {
  over_seeds("TLS: every byte arrives once and in order", 10,
             [](Run& run) { return traffic(run, some_tls(run)); });
}

TEST_CASE("TLS: discovery that cannot shake hands says how far it came, and keeps trying") {
  over_seeds("TLS: discovery that cannot shake hands", 1, [](Run& run) {
    WorldOptions options = some_options(run);
    options.broker_tls = options.discovery = true;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    for (const auto& broker : world->brokers) broker->reading = false;
    world->start();
    if (world->run(
            "brokers that hang", [&] { return world->logged("discovery_failed") > 0; }, minutes(3)) &&
        world->logged("discovery_failed", "TLS: timed out, the broker has not answered the ClientHello") == 0)
      world->ledger.violation("not told: a handshake that timed out");
    for (const auto& broker : world->brokers) broker->reading = true;
    world->run("brokers that answer again", [&] { return world->logged("discovered") > 0; }, minutes(3));
    world->stop();
    return world;
  });
}

TEST_CASE("TLS: any mixture of ends: a cut stream never looks complete") {
  over_seeds("TLS: any mixture of ends", 5, [](Run& run) { return mixture_of_ends(run, some_tls(run)); });
}

TEST_CASE("SNI: two listeners on one socket, each with its names and its certificate") {
  over_seeds("SNI: two listeners on one socket", 5, [](Run& run) {
    WorldOptions options = some_tls(run);
    options.client_tls = options.sni = true;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    for (std::uint64_t clients = 2 + run.dice.below(4); clients > 0; --clients) {
      ClientPlan plan;
      plan.goal = 5 + run.dice.below(40);
      plan.window = 1 + run.dice.below(20);
      plan.sasl = !options.discovery || options.credentials;
      plan.failures = !options.discovery;  // until they are known brokers have stand-ins
      world->add_client(plan, clients % 2);
    }
    if (world->run("clients of two listeners", [&] { return world->clients_finished(); }, minutes(10)))
      world->expect_only({"stand_in_refused"});
    world->stop();
    return world;
  });
}

TEST_CASE("SNI: unknown names, the bootstrap name, names of brokers not known yet") {
  over_seeds("SNI: names", 2, [](Run& run) {
    WorldOptions options = some_options(run);
    // With TLS to the brokers, too, no address proves which one answers at an alias.
    options.client_tls = options.broker_tls = options.sni = options.bootstrap_by_alias = true;
    options.discovery = options.credentials = false;
    options.ids = {1, 2};
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    const auto ended = [&](const Connection& one) {
      world->run("a connection's end", [&] { return one.state() != Connection::State::open; }, minutes(1));
    };
    Order metadata = order_of(run.dice, Kind::metadata, 9);
    Order other = order_of(run.dice, Kind::opaque, 1);
    other.key = 35;
    const std::int32_t port = world->told(1, {})->port;
    for (const char* name : {"b-1.three.example", "b-01.one.example", "192.0.2.1"}) {
      Connection& stranger = world->connect_to({name, port});
      stranger.ask(metadata);
      ended(stranger);
    }
    for (const char* part :
         {"no listener here serves the name b-1.three.example: this port serves boot.one.example, "
          "b-{{nodeId}}.one.example, boot.two.example, b-{{nodeId}}.two.example",
          "the name b-01.one.example", "the client sent no server name"}) {
      if (world->logged("server_name_unknown", part) != 1)
        world->ledger.violation(std::string("not told once: ") + part);
    }
    // No broker is known: kferry asks for them itself, and learns whose name this is, though not who answers at an alias.
    Connection& early = world->connect(2);
    other.meant_for = 2;
    early.ask(other);
    ended(early);
    if (world->logged("stand_in_refused",
                      "broker 2 of b-2.one.example has become known since another broker was dialled") != 1)
      world->ledger.violation("not told that the broker has become known");
    if (world->brokers[0]->questions() + world->brokers[1]->questions() != 1)
      world->ledger.violation("kferry did not ask once for the brokers");
    Connection& late = world->connect(2);
    late.ask(other);
    world->run("a broker by its name", [&] { return late.idle(); }, minutes(1));
    Connection& unknown = world->connect_to(*world->told(3, {}));
    other.meant_for = 3;
    unknown.ask(metadata);
    unknown.ask(other);
    ended(unknown);
    if (world->logged("stand_in_refused", "no broker is known for b-3.one.example") != 1)
      world->ledger.violation("not told that no broker is known");
    world->expect_only({"server_name_unknown", "stand_in_refused"});
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
