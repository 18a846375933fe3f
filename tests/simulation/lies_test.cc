// Answers that lie: to some clients, brokers give other addresses to known ids, name ids that do not exist, exchange
// addresses, and leave brokers out. Provided the first list was true, no request outside the stand-in set reaches a broker
// other than its port's: each broker checks that a request is meant for it.
#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// The lies of one run. Two liars never agree on an invented address, as two clients that do would be believed.
class Liars {
 public:
  explicit Liars(World& world) : world_(world), dice_(world.dice.below(UINT64_MAX)) {
    for (const auto& broker : world.brokers) broker->lie = [this](Reply& reply) { lie(reply); };
  }

  void ask_one() {
    const std::int32_t at = dice_.of(world_.options.ids);
    Connection& connection = world_.connect(at);
    liars_.insert(connection.number());
    for (std::uint64_t orders = 1 + dice_.below(6); orders > 0; --orders) {
      static constexpr std::array<Kind, 3> kinds = {Kind::metadata, Kind::find_coordinator,
                                                    Kind::describe_cluster};
      const Kind kind = dice_.of(kinds);
      connection.ask(order_of(dice_, kind, kind == Kind::metadata ? dice_.between<std::int16_t>(0, 12) : 1));
    }
  }
  std::size_t told() const { return told_; }

 private:
  void lie(Reply& reply) {
    const bool carries_brokers = reply.order.kind == Kind::metadata ||
                                 reply.order.kind == Kind::find_coordinator ||
                                 reply.order.kind == Kind::describe_cluster;
    if (!liars_.contains(reply.order.connection) || !carries_brokers || reply.order.controllers) return;
    ++told_;
    std::vector<Node>& nodes = reply.nodes;
    if (reply.order.kind == Kind::find_coordinator) {
      if (nodes.empty() || nodes.front().id < 0) return;
      nodes.resize(1);
      return dice_.one_in(2) ? invent(reply, nodes.front()) : misplace(nodes.front());
    }
    switch (dice_.below(5)) {
      case 0:  // everybody at one of them, as behind a balancer
        for (Node& node : nodes) misplace(node);
        break;
      case 1:  // as in a ring
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          const Node& next = world_.cluster.nodes[(i + 1) % world_.cluster.nodes.size()];
          nodes[i].host = next.host;
          nodes[i].port = next.port;
        }
        break;
      case 2:
        nodes.resize(dice_.below(nodes.size() + 1));
        break;
      case 3:
        nodes.emplace_back();
        invent(reply, nodes.back());
        break;
      default:
        misplace(nodes[dice_.below(nodes.size())]);
        break;
    }
  }

  // At another broker's address, or at one that is no broker's.
  void misplace(Node& node) {
    const Node& other = dice_.of(world_.cluster.nodes);
    const bool nowhere = dice_.one_in(2);
    node.host = nowhere ? std::string(upstream_marker) + "-lie-" + std::to_string(++invented_) : other.host;
    node.port = other.port;
  }
  // An id that does not exist: below all others, so that it would get their port if it were believed, or above.
  void invent(Reply& reply, Node& node) {
    misplace(node);
    node.host = std::string(upstream_marker) + "-lie-" + std::to_string(++invented_);
    node.id = dice_.one_in(2) ? 0 : 1000 + static_cast<std::int32_t>(invented_);
    reply.lies.push_back(node.id);
  }

  World& world_;
  Dice dice_;
  std::set<std::int32_t> liars_;  // connections
  std::size_t told_ = 0;
  std::uint64_t invented_ = 0;
};

TEST_CASE("answers that lie about ids, addresses and lists mislead no other client") {
  std::size_t told = 0;
  over_seeds("answers that lie about ids, addresses and lists mislead no other client", 12, [&](Run& run) {
    WorldOptions options = some_options(run);
    options.ids = {3, 4, 5};
    options.ports = 3;
    options.listed_ids.clear();
    options.min_broker_id = 0;
    options.discovery = run.dice.one_in(2);
    options.credentials = false;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    ClientPlan plan;
    plan.sasl = !options.discovery;
    plan.failures = true;
    plan.goal = 5;
    plan.mix.endpoints = false;
    world->add_client(plan);
    world->run("the first list", [&] { return world->clients_finished(); }, minutes(10));
    Liars liars(*world);
    for (std::uint64_t clients = 2 + run.dice.below(5); clients > 0; --clients) {
      plan.goal = 20 + run.dice.below(60);
      world->add_client(plan);
    }
    const bool dying = run.dice.one_in(2);
    std::uint64_t rounds = 5 + run.dice.below(10);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      for (std::uint64_t some = run.dice.below(4); some > 0; --some) liars.ask_one();
      // While no one contradicts them, two liars are two clients who agree.
      world->connect(run.dice.of(options.ids)).ask(order_of(run.dice, Kind::metadata, 9));
      if (dying && round == 2) world->broker(5).kill();
      if (dying && round == 4) world->serve(5);
      world->run_for(Duration(run.dice.below(2'000'000'000)));
    }
    world->run("clients beside liars", [&] { return world->clients_finished(); }, minutes(60));
    if (world->logged("broker_moved", " moved from ") > 0) world->ledger.violation("a lie moved a broker");
    told += liars.told();
    world->stop();
    return world;
  });
  CHECK(told > 0);
}

}  // namespace
}  // namespace kferry::simulation
