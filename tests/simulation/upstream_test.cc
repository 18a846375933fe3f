// What goes wrong behind kferry: names, dials, brokers that die, move, clash or become another cluster.
// Clients go on, and no request meant for one broker reaches another.
#include <algorithm>

#include "doctest/doctest.h"
#include "seeds.h"
#include "sim_stream.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

ClientPlan plan_of(Run& run, const World& world) {
  ClientPlan plan;
  plan.goal = 10 + run.dice.below(40);
  plan.failures = true;
  plan.sasl = !world.options.discovery || world.options.credentials;
  plan.mix.body_max = 2'000;
  plan.mix.reply_max = run.dice.one_in(4) ? 100'000 : 3'000;
  return plan;
}

TEST_CASE("DNS that fails, delays and lies low") {
  over_seeds("DNS that fails, delays and lies low", 5, [](Run& run) {
    auto world = std::make_unique<World>(run.seed, some_options(run), run.trace);
    world->resolver.set_delay(milliseconds(run.dice.below(5)), milliseconds(5 + run.dice.below(3'000)));
    world->resolver.set_failures(static_cast<std::uint32_t>(run.dice.below(400)));
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients)
      world->add_client(plan_of(run, *world));
    world->run("clients while DNS fails", [&] { return world->clients_finished(); }, minutes(60));
    world->stop();
    return world;
  });
}

TEST_CASE("dials that are refused, unreachable or hang") {
  over_seeds("dials that are refused, unreachable or hang", 6, [](Run& run) {
    auto world = std::make_unique<World>(run.seed, some_options(run), run.trace);
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients)
      world->add_client(plan_of(run, *world));
    for (std::uint64_t faults = run.dice.below(8); faults > 0; --faults) {
      static constexpr std::array<ring::DialFault, 3> kinds = {
          ring::DialFault::refused, ring::DialFault::unreachable, ring::DialFault::hang};
      const SocketAddress address = world->address_of(run.dice.of(world->options.ids));
      world->simulation.set_dial_fault(address, run.dice.of(kinds));
      world->run_for(Duration(run.dice.below(8'000'000'000)));
      if (run.dice.one_in(2)) world->simulation.set_dial_fault(address, ring::DialFault::none);
    }
    for (const std::int32_t id : world->options.ids)
      world->simulation.set_dial_fault(world->address_of(id), ring::DialFault::none);
    world->run("clients after dials have failed", [&] { return world->clients_finished(); }, minutes(60));
    world->stop();
    return world;
  });
}

TEST_CASE("brokers die, come back and move") {
  over_seeds("brokers die, come back and move", 8, [](Run& run) {
    auto world = std::make_unique<World>(run.seed, some_options(run), run.trace);
    world->start();
    for (std::uint64_t clients = 1 + run.dice.below(5); clients > 0; --clients)
      world->add_client(plan_of(run, *world));
    for (std::uint64_t deaths = 1 + run.dice.below(6); deaths > 0; --deaths) {
      world->run_for(Duration(run.dice.below(5'000'000'000)));
      // One bootstrap server at least stays where it is.
      const std::int32_t id = run.dice.of(world->options.ids);
      world->broker(id).kill();
      if (id != world->options.ids.front()) {
        if (run.dice.one_in(2)) {
          world->move(id);
        } else if (run.dice.one_in(2)) {
          world->readdress(id);
        }
      }
      world->run_for(Duration(run.dice.below(15'000'000'000)));
      world->serve(id);
    }
    world->run("clients while brokers die and move", [&] { return world->clients_finished(); }, minutes(60));
    world->stop();
    return world;
  });
}

TEST_CASE("a stand-in serves bootstrap, nothing else, and makes way") {
  over_seeds("a stand-in serves bootstrap, nothing else, and makes way", 4, [](Run& run) {
    WorldOptions options = some_options(run);
    options.ids = {1, 2, 3};
    options.listed_ids.clear();
    options.min_broker_id = 1;
    options.ports = 3;
    options.discovery = true;
    options.credentials = false;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    world->broker(2).kill();
    // The first connection finds that out; it is served by another.
    Connection& first = world->connect(2);
    Mix mix;
    mix.only_bootstrap = true;
    for (int i = 0; i < 5; ++i) first.ask(some_order(run.dice, mix, {}));
    world->run("bootstrap at a stand-in", [&] { return first.idle(); }, seconds(30));
    // Any other request closes it, without a byte of it going upstream (each broker checks that
    // a request is meant for it).
    Connection& refused = world->connect(2);
    refused.ask(some_order(run.dice, mix, {}));
    Order order = order_of(run.dice, Kind::opaque, 1);
    order.key = 35;
    order.meant_for = 2;
    refused.ask(order);
    world->run(
        "a stand-in that refuses", [&] { return refused.state() != Connection::State::open; }, seconds(30));
    if (world->logged("stand_in_refused") == 0)
      world->ledger.violation("a refusal of a stand-in was not logged");
    // The right broker comes back; a dial to it retires the stand-in between answers.
    world->serve(2);
    world->run_for(seconds(11));
    Connection& right = world->connect(2);
    order.key = 12;
    right.ask(order);
    world->run("the right broker", [&] { return right.idle(); }, seconds(30));
    world->run("the stand-in's end", [&] { return first.state() == Connection::State::ended; }, seconds(12));
    world->stop();
    return world;
  });
}

TEST_CASE("a client that names a broker never gets another to answer") {
  over_seeds("a client that names a broker never gets another to answer", 2, [](Run& run) {
    WorldOptions options = some_options(run);
    options.ids = {1, 2};
    options.listed_ids.clear();
    options.ports = 2;
    options.discovery = true;
    options.credentials = false;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    world->broker(2).kill();
    Connection& connection = world->connect(2);
    Order order = order_of(run.dice, Kind::metadata, 9);
    connection.ask(order);
    world->run("bootstrap at a stand-in", [&] { return connection.idle(); }, seconds(30));
    order = order_of(run.dice, Kind::api_versions, 5);
    order.meant_for = 2;  // the brokers see to it that it is not broker 1 that gets this
    connection.ask(order);
    world->run("a refusal", [&] { return connection.state() != Connection::State::open; }, seconds(30));
    world->stop();
    return world;
  });
}

TEST_CASE("a broker that loses its port is drained: what it was asked it answers, then the end") {
  over_seeds("a broker that loses its port is drained: what it was asked it answers, then the end", 3,
             [](Run& run) {
               WorldOptions options = some_options(run);
               options.ids = {0, 3, 5};
               options.listed_ids.clear();
               options.min_broker_id = 0;
               options.ports = 3;
               options.discovery = true;
               options.credentials = false;
               options.limits.discovery_interval_s = 3;  // one client's word would not be enough
               auto world = std::make_unique<World>(run.seed, options, run.trace);
               // Broker 0 comes later, and takes the port of broker 3.
               const Node late = world->cluster.nodes.front();
               world->cluster.nodes.erase(world->cluster.nodes.begin());
               world->broker(0).kill();
               world->start();
               world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
               Connection& loser = world->connect(3);
               Connection& other = world->connect(5);
               const auto ask = [&](Connection& connection, std::int32_t id) {
                 Order order = order_of(run.dice, Kind::opaque, 1);
                 order.key = 12;
                 order.meant_for = id;
                 order.reply_size = 5'000;
                 connection.ask(order);
               };
               for (int i = 0; i < 3; ++i) {
                 ask(loser, 3);
                 ask(other, 5);
               }
               world->run("both", [&] { return loser.idle() && other.idle(); }, minutes(1));
               world->cluster.nodes.insert(world->cluster.nodes.begin(), late);
               world->serve(0);
               world->run(
                   "the end of a drained connection",
                   [&] { return loser.state() != Connection::State::open; }, seconds(12));
               if (loser.state() != Connection::State::ended || loser.done() != 3)
                 world->ledger.violation(loser.text() + " did not end in order");
               Connection& winner = world->connect(0);
               ask(winner, 0);
               ask(other, 5);
               world->run("who has the port now", [&] { return winner.idle() && other.idle(); }, minutes(1));
               world->expect_only({"port_clash", "broker_left_out"});
               world->stop();
               return world;
             });
}

TEST_CASE("a learnt address on loopback is translated, and never dialled") {
  over_seeds("a learnt address on loopback is translated, and never dialled", 2, [](Run& run) {
    WorldOptions options = some_options(run);
    options.ids = {1, 2};
    options.listed_ids.clear();
    options.ports = 2;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->cluster.nodes[1].host = "127.0.0.1";
    world->cluster.nodes[1].port = 5'432;
    auto trap = world->simulation.listen_outside(*SocketAddress::parse("127.0.0.1", 5'432));
    world->start();
    world->add_client(plan_of(run, *world));
    for (int i = 0; i < 5; ++i) {
      Connection& connection = world->connect(2);
      connection.ask(order_of(run.dice, Kind::metadata, 12));
      world->run("a stand-in", [&] { return connection.idle(); }, minutes(1));
    }
    world->run_for(minutes(6));
    if (trap->accept()) world->ledger.violation("a learnt address on loopback was dialled");
    trap->close();
    world->stop();
    return world;
  });
}

TEST_CASE("of two brokers on one port the lower id keeps it, and the other's address goes nowhere") {
  over_seeds("of two brokers on one port the lower id keeps it, and the other's address goes nowhere", 5,
             [](Run& run) {
               WorldOptions options = some_options(run);
               options.ids.clear();
               for (std::int32_t id = 0; id < 6; ++id) options.ids.push_back(id);
               options.listed_ids.clear();
               options.min_broker_id = 0;
               options.ports = 2 + run.dice.below(4);
               if (run.dice.one_in(3)) {  // some ids have no port at all
                 options.listed_ids = {0, 2, 4};
                 options.ports = 3;
               }
               options.discovery = true;
               options.credentials = false;
               auto world = std::make_unique<World>(run.seed, options, run.trace);
               world->start();
               world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
               if (world->logged("port_clash") == 0) world->ledger.violation("a clash was not logged");
               for (std::uint64_t clients = 1 + run.dice.below(4); clients > 0; --clients) {
                 ClientPlan plan = plan_of(run, *world);
                 plan.failures = false;
                 plan.mix.endpoints = false;
                 world->add_client(plan);
               }
               world->run(
                   "clients of a listener with too few ports", [&] { return world->clients_finished(); },
                   minutes(10));
               world->expect_only({"port_clash", "broker_left_out"});
               world->stop();
               return world;
             });
}

TEST_CASE("brokers that hang do not keep discovery from the bootstrap servers") {
  over_seeds("brokers that hang do not keep discovery from the bootstrap servers", 2, [](Run& run) {
    WorldOptions options;
    options.ids.clear();
    for (std::int32_t id = 1; id <= 14; ++id) options.ids.push_back(id);
    options.ports = options.ids.size();
    options.min_broker_id = 1;
    options.limits.discovery_interval_s = 60;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    const auto asked = [&] { return world->broker(1).discoveries() + world->broker(2).discoveries(); };
    const auto set_fault = [&](std::int32_t id, ring::DialFault fault) {
      world->simulation.set_dial_fault(world->address_of(id), fault);
    };
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    for (const std::int32_t id : options.ids)
      set_fault(id, id <= 2 ? ring::DialFault::refused : ring::DialFault::hang);
    world->run_for(seconds(65));  // a round has begun, and asks brokers that hang
    const std::size_t before = asked();
    for (const std::int32_t id : {1, 2}) set_fault(id, ring::DialFault::none);
    world->run("the bootstrap servers to be asked again", [&] { return asked() > before; }, seconds(25));
    for (const std::int32_t id : options.ids) set_fault(id, ring::DialFault::none);
    world->expect_only({"discovery_failed"});
    world->stop();
    return world;
  });
}

TEST_CASE("a cluster that was rebuilt is learnt anew") {
  over_seeds("a cluster that was rebuilt is learnt anew", 3, [](Run& run) {
    WorldOptions options = some_options(run);
    options.bootstrap_by_alias = true;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    world->add_client(plan_of(run, *world));
    world->run("clients of the first cluster", [&] { return world->clients_finished(); }, minutes(60));
    for (const auto& broker : world->brokers) broker->kill();
    world->cluster.id += "-rebuilt";
    for (const std::int32_t id : world->options.ids) world->serve(id);
    for (std::uint64_t clients = 1 + run.dice.below(3); clients > 0; --clients) {
      ClientPlan plan = plan_of(run, *world);
      plan.metadata_min = 2;  // with a cluster id
      world->add_client(plan);
    }
    world->run("clients of the rebuilt cluster", [&] { return world->clients_finished(); }, minutes(60));
    if (world->logged("cluster_changed") != 1)
      world->ledger.violation("a rebuilt cluster was announced " +
                              std::to_string(world->logged("cluster_changed")) + " times");
    world->stop();
    return world;
  });
}

// Every broker of the known cluster lives on, so that only the names tell.
TEST_CASE("bootstrap names that move before the first client comes are noticed once clients come") {
  over_seeds(
      "bootstrap names that move before the first client comes are noticed once clients come", 2,
      [](Run& run) {
        WorldOptions options = some_options(run);
        options.ids = {1};
        options.listed_ids.clear();
        options.min_broker_id = 1;
        options.ports = 1;
        options.discovery = true;
        options.credentials = false;
        options.bootstrap_by_alias = true;
        auto world = std::make_unique<World>(run.seed, options, run.trace);
        world->start();
        world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
        world->run_for(Duration(run.dice.below(20'000'000'000)));

        Cluster& other = *world->more_clusters.emplace_back(std::make_unique<Cluster>(world->cluster));
        other.id += "-other";
        const SocketAddress address = *SocketAddress::parse("10.99.0.1", world->address_of(1).port());
        for (Node& node : other.nodes) {
          node.host = std::string(upstream_marker) + "-other-" + std::to_string(node.id);
          node.port = address.port();
          world->resolver.set(node.host, {address});
        }
        Broker broker(1, other, world->ledger, [&world] { return world->now(); }, run.dice.below(UINT64_MAX));
        broker.answer_delay_max = Duration::zero();
        broker.serve(
            std::make_unique<SimAcceptor>(*world->simulation.listen_outside(address), world->broker_side));
        world->add(broker);
        const HostPort& server = world->config().clusters.front().upstream.bootstrap_servers.front();
        world->resolver.set(server.host, {address});

        const Instant until = world->now() + seconds(4);
        while (world->logged("cluster_changed") == 0 && world->now() < until) {
          Connection& client = world->connect(1);
          client.ask(order_of(run.dice, Kind::api_versions, 0));
          world->run_for(milliseconds(250));
          client.close();
        }
        if (world->logged("cluster_changed", "-other now instead of") != 1)
          world->ledger.violation("the other cluster was not followed");
        world->stop();
        return world;
      });
}

}  // namespace
}  // namespace kferry::simulation
