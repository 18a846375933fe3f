// Plans swapped under traffic: what began under a plan ends under it, byte for byte, or in order where its listener is
// gone, and what begins after a move finds the new one.
#include <algorithm>
#include <utility>

#include "doctest/doctest.h"
#include "seeds.h"
#include "sim_stream.h"
#include "tls_side.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using Outcome = proxy::PlanMoves::Outcome;

constexpr std::int32_t internal_offset = 500;  // of the second listener's ports
constexpr std::int32_t other_offset = 900;     // of the other cluster's

// Clients never fail here, so the options leave out what makes them.
WorldOptions steady_options(Run& run) {
  WorldOptions options = some_options(run);
  options.discovery = true;
  options.credentials = false;
  options.workers = 1 + run.dice.below(4);
  return options;
}

std::unique_ptr<World> started(Run& run, const WorldOptions& options) {
  auto world = std::make_unique<World>(run.seed, options, run.trace);
  world->start();
  world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
  return world;
}

config::Listener shifted(config::Listener listener, std::string name, std::int32_t offset) {
  listener.name = std::move(name);
  listener.advertised_host = listener.name + ".example";
  for (config::Port& port : listener.ports) {
    port.advertised = static_cast<std::uint16_t>(port.advertised + offset);
    port.local = static_cast<std::uint16_t>(port.local + offset);
  }
  return listener;
}

void add_internal(config::Config& config) {
  std::vector<config::Listener>& listeners = config.clusters.front().listeners;
  listeners.push_back(shifted(listeners.front(), "internal", internal_offset));
}

Told told_internally(World& world) {
  return [&world](std::int32_t id, const std::vector<std::int32_t>& live) -> std::optional<HostPort> {
    const auto told = world.told(id, live);
    if (!told) return std::nullopt;
    return HostPort{"internal.example", told->port + internal_offset};
  };
}

// Another cluster, of two brokers, each with a bootstrap name.
class Other {
 public:
  Other(World& world, const std::string& id, std::int32_t first_id) : ids_{first_id, first_id + 1} {
    world.more_clusters.push_back(std::make_unique<Cluster>());
    Cluster& cluster = *world.more_clusters.back();
    cluster.id = id;
    cluster.ranges = world.cluster.ranges;
    for (const std::int32_t broker_id : ids_) {
      const std::string host = std::string(upstream_marker) + "-" + std::to_string(broker_id) + ".other";
      const auto address = *SocketAddress::parse("10.9.0." + std::to_string(broker_id % 200),
                                                 static_cast<std::uint16_t>(9'100));
      world.resolver.set(host, {address});
      cluster.nodes.push_back(Node{broker_id, host, address.port(), std::nullopt});
      servers_.push_back({host, address.port()});
      world.brokers.push_back(std::make_unique<Broker>(
          broker_id, cluster, world.ledger, [&world] { return world.now(); },
          world.simulation.seed() + static_cast<std::uint64_t>(broker_id)));
      world.add(*world.brokers.back());
      world.brokers.back()->serve(
          std::make_unique<SimAcceptor>(*world.simulation.listen_outside(address), world.broker_side));
    }
  }

  void add_to(config::Config& config) const {
    config::Cluster cluster = config.clusters.front();
    cluster.name = "other";
    cluster.upstream.bootstrap_servers = servers_;
    cluster.listeners.resize(1);
    cluster.listeners.front().ports.resize(2, cluster.listeners.front().ports.front());
    for (std::uint16_t i = 0; i < 2; ++i)
      cluster.listeners.front().ports[i] = {static_cast<std::uint16_t>(7'000 + i),
                                            static_cast<std::uint16_t>(17'000 + i)};
    cluster.listeners.front() = shifted(cluster.listeners.front(), "other", other_offset);
    cluster.listeners.front().min_broker_id = 0;
    cluster.listeners.front().ids = ids_;
    config.clusters.push_back(std::move(cluster));
  }
  Told told() const {
    return [ids = ids_](std::int32_t id, const std::vector<std::int32_t>&) -> std::optional<HostPort> {
      const auto found = std::ranges::find(ids, id);
      if (found == ids.end()) return std::nullopt;
      return HostPort{"other.example", 7'000 + other_offset + static_cast<std::int32_t>(found - ids.begin())};
    };
  }
  std::vector<HostPort> bootstrap_servers() const { return {*told()(ids_[0], {}), *told()(ids_[1], {})}; }
  std::int32_t id() const { return ids_.front(); }

 private:
  std::vector<std::int32_t> ids_;
  std::vector<HostPort> servers_;
};

Outcome move_to(World& world, const config::Config& config) {
  std::future<Outcome> outcome = world.propose(config);
  const auto known = [&] { return outcome.wait_for(std::chrono::seconds(0)) == std::future_status::ready; };
  if (!world.run("a move to another plan", known, minutes(1)))
    return std::unexpected(std::string("no outcome"));
  return outcome.get();
}

void must_move_to(World& world, const config::Config& config) {
  if (const Outcome outcome = move_to(world, config); !outcome)
    world.ledger.violation("a plan was refused: " + outcome.error());
}

bool connects(World& world, const HostPort& told) {
  auto stream = world.dial(told);
  return stream != nullptr;
}

ClientPlan some_client(Run& run) {
  ClientPlan plan;
  plan.goal = 10 + run.dice.below(60);
  plan.window = 1 + run.dice.below(30);
  plan.mix.reply_max = run.dice.one_in(3) ? 100'000 : 3'000;
  return plan;
}

void add_client(World& world, Run& run, const Told& told, std::vector<HostPort> servers) {
  world.clients.push_back(std::make_unique<Client>(
      "client " + std::to_string(world.clients.size()), world.ledger, told,
      [&world](const HostPort& where) { return world.dial(where); }, std::move(servers),
      [&world] { return world.now(); }, some_client(run), run.dice.below(UINT64_MAX)));
  world.add(*world.clients.back());
}

// A connection through a listener that is not the world's own.
Connection& connect(World& world, Run& run, const Told& told, std::int32_t id) {
  auto stream = world.dial(*told(id, {}));
  if (!stream) {
    world.ledger.violation("nothing listens at " + to_string(*told(id, {})));
    stream = std::make_unique<DeadStream>();
  }
  world.connections.push_back(
      std::make_unique<Connection>(world.ledger, told, std::move(stream), run.dice.below(UINT64_MAX)));
  world.add(*world.connections.back());
  return *world.connections.back();
}

void ask_some(Run& run, Connection& connection, std::int32_t id) {
  for (std::uint64_t orders = 5 + run.dice.below(20); orders > 0; --orders)
    connection.ask(some_order(run.dice, Mix{}, id));
  Order last = order_of(run.dice, Kind::opaque, 1);
  last.key = 12;
  last.meant_for = id;
  connection.ask(last);
}

void run_until_idle(World& world, const std::string& what, const Connection& connection) {
  world.run(
      what, [&] { return connection.idle() || connection.state() != Connection::State::open; }, minutes(5));
  if (connection.state() != Connection::State::open) world.ledger.violation("disturbed: " + what);
}

// Answered as far as kferry has read, and then a FIN.
void run_until_ended(World& world, const std::string& what, const Connection& connection) {
  world.run(what, [&] { return connection.state() != Connection::State::open; }, minutes(5));
  if (connection.state() != Connection::State::ended) world.ledger.violation("not in order: " + what);
}

// Former plans are freed with the last of what began under them.
void expect_one_plan(World& world) {
  world.run(
      "former plans that nothing uses",
      [&] {
        for (std::size_t worker = 0; worker < world.options.workers; ++worker)
          if (world.plans_in_use(worker) != 1) return false;
        return true;
      },
      minutes(5));
}

TEST_CASE("plans are swapped at any moment, and no session notices") {
  over_seeds("plans are swapped at any moment, and no session notices", 8, [](Run& run) {
    auto world = started(run, steady_options(run));
    const Other other(*world, "other", 501);
    for (std::uint64_t clients = 2 + run.dice.below(5); clients > 0; --clients)
      world->add_client(some_client(run));
    std::vector<std::future<Outcome>> outcomes;
    const config::Config first = world->config();
    for (std::uint64_t swaps = 1 + run.dice.below(8); swaps > 0; --swaps) {
      config::Config next = first;
      if (run.dice.one_in(2)) add_internal(next);
      if (run.dice.one_in(2)) other.add_to(next);
      if (run.dice.one_in(2))
        next.limits.unanswered_requests = static_cast<std::uint32_t>(1 + run.dice.below(50));
      if (run.dice.one_in(2)) std::ranges::reverse(next.clusters);
      if (run.dice.one_in(2)) std::ranges::reverse(next.clusters.front().listeners);
      outcomes.push_back(world->propose(next));
      world->run_for(Duration(run.dice.below(20'000'000)));
    }
    must_move_to(*world, first);
    for (std::future<Outcome>& outcome : outcomes) {
      const Outcome known = outcome.get();
      if (!known && known.error() != "a later configuration has taken its place")
        world->ledger.violation("a plan was refused: " + known.error());
    }
    if (world->run("clients across plans", [&] { return world->clients_finished(); }, minutes(10)))
      world->expect_only({});
    expect_one_plan(*world);
    world->stop();
    return world;
  });
}

TEST_CASE("a listener is added, serves, and is removed, and its sessions end in order") {
  over_seeds("a listener is added and removed", 4, [](Run& run) {
    auto world = started(run, steady_options(run));
    const Told told = told_internally(*world);
    const std::int32_t id = run.dice.of(world->options.ids);
    for (std::uint64_t clients = 1 + run.dice.below(3); clients > 0; --clients)
      world->add_client(some_client(run));
    if (connects(*world, *told(id, {}))) world->ledger.violation("the listener is there before its plan");
    const config::Config without = world->config();
    config::Config with = without;
    add_internal(with);
    must_move_to(*world, with);
    std::vector<HostPort> servers;
    for (const std::int32_t broker : world->options.ids) servers.push_back(*told(broker, {}));
    add_client(*world, run, told, servers);
    Connection& connection = connect(*world, run, told, id);
    ask_some(run, connection, id);
    world->run("clients of both listeners", [&] { return world->clients_finished(); }, minutes(10));
    run_until_idle(*world, "a session of a listener that was added", connection);
    ask_some(run, connection, id);
    world->run_for(Duration(run.dice.below(5'000'000)));
    Connection& newcomer = connect(*world, run, told, id);
    ask_some(run, newcomer, id);
    Connection& silent = connect(*world, run, told, id);
    world->run_for(milliseconds(20));  // accepted by then
    must_move_to(*world, without);
    if (connects(*world, *told(id, {}))) world->ledger.violation("the removed listener still accepts");
    run_until_ended(*world, "a session of a listener that was removed", connection);
    run_until_ended(*world, "a new session of such a listener", newcomer);
    run_until_ended(*world, "a silent session of such a listener", silent);
    expect_one_plan(*world);
    world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("a plan whose ports cannot be bound changes nothing, and says why") {
  over_seeds("a plan whose ports cannot be bound", 2, [](Run& run) {
    auto world = started(run, steady_options(run));
    const Told told = told_internally(*world);
    world->add_client(some_client(run));
    config::Config next = world->config();
    add_internal(next);
    const config::Listener& added = next.clusters.front().listeners.back();
    const std::uint16_t taken = added.ports.back().local;
    auto stranger = world->simulation.listen_outside(*SocketAddress::parse(added.bind_address, taken));
    const Outcome outcome = move_to(*world, next);
    if (outcome || outcome.error().find("cannot listen on") == std::string::npos ||
        outcome.error().find("another process listens there") == std::string::npos)
      world->ledger.violation("not told: a port is taken: " + (outcome ? "moved" : outcome.error()));
    stranger->close();
    for (const config::Port& port : added.ports) {
      if (connects(*world, {"internal.example", port.advertised}))
        world->ledger.violation("a port of the refused plan is open");
    }
    world->add_client(some_client(run));
    world->run("clients after a refused plan", [&] { return world->clients_finished(); }, minutes(10));
    must_move_to(*world, next);  // the stranger has gone
    world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("a cluster is added, removed, and learnt anew when its bootstrap servers are others") {
  over_seeds("a cluster is added and removed", 4, [](Run& run) {
    auto world = started(run, steady_options(run));
    const Other other(*world, "other", 501);
    const Other another(*world, "another", 601);
    for (std::uint64_t clients = 1 + run.dice.below(3); clients > 0; --clients)
      world->add_client(some_client(run));
    const auto discovered = [&](const Other& cluster) {
      return world->logged("discovered", "cluster other has 2 brokers: " + std::to_string(cluster.id()));
    };
    const auto move_with = [&](const Other& cluster) {
      config::Config with = world->config();
      with.clusters.resize(1);
      cluster.add_to(with);
      const std::size_t before = discovered(cluster);
      must_move_to(*world, with);
      world->run("discovery of an added cluster", [&] { return discovered(cluster) > before; }, minutes(1));
    };
    const config::Config without = world->config();
    move_with(other);
    const Told told = other.told();
    add_client(*world, run, told, other.bootstrap_servers());
    Connection& connection = connect(*world, run, told, other.id());
    ask_some(run, connection, other.id());
    world->run("clients of both clusters", [&] { return world->clients_finished(); }, minutes(10));
    run_until_idle(*world, "a session of an added cluster", connection);

    Connection& idle = connect(*world, run, told, other.id());
    ask_some(run, idle, other.id());
    run_until_idle(*world, "another session of an added cluster", idle);
    ask_some(run, connection, other.id());
    move_with(another);  // in place of the first, under the same name, with other ids
    run_until_ended(*world, "a session of a cluster whose place another has taken", connection);
    run_until_ended(*world, "an idle session of such a cluster", idle);
    const Told told_another = another.told();
    add_client(*world, run, told_another, another.bootstrap_servers());
    world->run("a client of another cluster", [&] { return world->clients_finished(); }, minutes(10));

    must_move_to(*world, without);
    if (connects(*world, other.bootstrap_servers().front()))
      world->ledger.violation("the removed cluster's listener still accepts");
    expect_one_plan(*world);
    move_with(other);
    add_client(*world, run, told, other.bootstrap_servers());
    world->run("a client of a cluster added again", [&] { return world->clients_finished(); }, minutes(10));
    world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("certificates are replaced for new handshakes, and old sessions keep theirs") {
  over_seeds("certificates are replaced", 2, [](Run& run) {
    WorldOptions options = steady_options(run);
    options.client_tls = true;
    options.broker_tls = run.dice.one_in(2);
    auto world = started(run, options);
    for (std::uint64_t clients = 1 + run.dice.below(3); clients > 0; --clients)
      world->add_client(some_client(run));
    const std::int32_t id = run.dice.of(world->options.ids);
    const auto local = static_cast<std::uint16_t>(world->port_of(id) + 10'000);
    const Told& told = world->told_functions[0];
    // Wants a certificate for a name of that domain.
    const auto connect_strictly = [&](std::size_t domain) -> Connection& {
      auto stream = std::make_unique<SimStream>(
          *world->simulation.connect_from_outside(*SocketAddress::parse("192.168.1.1", local)),
          world->client_side);
      world->connections.push_back(std::make_unique<Connection>(
          world->ledger, told, with_client_tls(std::move(stream), "kferry." + sni_domain(domain)),
          run.dice.below(UINT64_MAX)));
      world->add(*world->connections.back());
      ask_some(run, *world->connections.back(), id);
      return *world->connections.back();
    };
    config::Config next = world->config();
    next.clusters.front().listeners.front().tls = listener_tls(0);
    must_move_to(*world, next);
    Connection& first = connect_strictly(0);
    run_until_idle(*world, "a session with the first certificate", first);
    ask_some(run, first, id);
    next.clusters.front().listeners.front().tls = listener_tls(1);
    must_move_to(*world, next);
    Connection& second = connect_strictly(1);
    ask_some(run, first, id);
    run_until_idle(*world, "a session with the second certificate", second);
    run_until_idle(*world, "a session whose certificate was replaced", first);
    if (world->run("clients across certificates", [&] { return world->clients_finished(); }, minutes(10)))
      world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("a move that an end overtakes has an outcome, and leaves nothing behind") {
  over_seeds("a move that an end overtakes", 2, [](Run& run) {
    auto world = started(run, steady_options(run));
    for (int clients = 0; clients < 3; ++clients) {
      ClientPlan plan = some_client(run);
      plan.failures = true;
      world->add_client(plan);
    }
    config::Config next = world->config();
    add_internal(next);
    std::vector<std::future<Outcome>> outcomes;
    for (int proposals = 0; proposals < 3; ++proposals) {
      outcomes.push_back(world->propose(next));
      std::ranges::reverse(next.clusters.front().listeners);
      world->run_for(Duration(run.dice.below(500'000)));
    }
    world->stop();
    for (const std::future<Outcome>& outcome : outcomes) {
      if (outcome.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        world->ledger.violation("a proposal without an outcome");
    }
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
