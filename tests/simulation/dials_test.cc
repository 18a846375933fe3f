// Dials that fail at random, to a broker whose name has several addresses. With the broker known and no stand-in,
// the connections lost through kferry are at most those lost directly under the same seed.
//
// The seed decides for each dial to the live address, counted from the first, whether it fails. A direct client makes
// one dial per connection, so that of n connections those are lost whose dials are among the first n and fail.
#include <algorithm>
#include <vector>

#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using ring::DialFault;
using std::chrono::minutes;

constexpr std::array<DialFault, 3> faults = {DialFault::refused, DialFault::unreachable, DialFault::hang};

// The fate of each dial to the live address; every other address of the name is dead.
class Fates {
 public:
  Fates(World& world, Dice& dice) : world_(world), dice_(dice.below(UINT64_MAX)) {
    failing_per_mille_ = 20 + dice_.below(180);
    const SocketAddress live = world.address_of(7);
    std::vector<SocketAddress> addresses = {live};
    for (std::uint64_t dead = dice_.below(4); dead > 0; --dead) {
      const std::string host = (dice_.one_in(2) ? "10.77.0." : "fd00::") + std::to_string(dead);
      addresses.push_back(*SocketAddress::parse(host, live.port()));
      world.simulation.set_dial_fault(addresses.back(), dice_.of(faults));
    }
    std::swap(addresses.front(), addresses[dice_.below(addresses.size())]);
    dead_ = addresses.size() - 1;
    world.resolver.set(world.cluster.nodes.front().host, addresses);
    world.simulation.decide_dials([this](const SocketAddress&) { return next(); });
  }
  ~Fates() { world_.simulation.decide_dials({}); }
  Fates(const Fates&) = delete;
  Fates& operator=(const Fates&) = delete;

  std::size_t lost_directly(std::size_t connections) {
    while (fates_.size() < connections) draw();
    return static_cast<std::size_t>(std::count_if(fates_.begin(),
                                                  fates_.begin() + static_cast<std::ptrdiff_t>(connections),
                                                  [](DialFault one) { return one != DialFault::none; }));
  }
  std::size_t dead() const { return dead_; }

 private:
  void draw() {
    fates_.push_back(dice_.below(1000) < failing_per_mille_ ? dice_.of(faults) : DialFault::none);
  }
  DialFault next() {
    if (dials_ == fates_.size()) draw();
    return fates_[dials_++];
  }

  World& world_;
  Dice dice_;
  std::uint64_t failing_per_mille_ = 0;
  std::size_t dead_ = 0;
  std::vector<DialFault> fates_;
  std::size_t dials_ = 0;
};

TEST_CASE("no more connections are lost through kferry than directly") {
  std::size_t lost_in_all = 0;
  std::size_t lost_directly_in_all = 0;
  over_seeds("no more connections are lost through kferry than directly", 5, [&](Run& run) {
    WorldOptions options = some_options(run);
    options.ids = {7};
    options.listed_ids.clear();
    options.min_broker_id = 0;
    options.ports = 1;
    options.discovery = false;  // its dials would share the fates of the clients'
    options.credentials = false;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    world->start();
    ClientPlan plan;
    plan.sasl = true;
    plan.goal = 3;
    world->add_client(plan);
    world->run("the first list", [&] { return world->clients_finished(); }, minutes(10));
    {
      Fates fates(*world, run.dice);
      const std::size_t count = 10 + run.dice.below(40);
      std::size_t lost = 0;
      for (std::size_t i = 0; i < count; ++i) {
        Connection& connection = world->connect(7);
        connection.ask(order_of(run.dice, Kind::api_versions, run.dice.between<std::int16_t>(0, 3)));
        world->run(
            "a connection is served or lost",
            [&] { return connection.state() != Connection::State::open || connection.done() > 0; },
            minutes(1));
        lost += connection.done() == 0 ? 1 : 0;
        if (connection.state() == Connection::State::open) connection.close();
      }
      const std::size_t directly = fates.lost_directly(count);
      if (lost > directly) {
        world->ledger.violation("of " + std::to_string(count) + " connections " + std::to_string(lost) +
                                " were lost through kferry, " + std::to_string(directly) + " directly");
      }
      if (world->logged("address_dead") > fates.dead() + 1)
        world->ledger.violation("a dead address was logged more than once");
      lost_in_all += lost;
      lost_directly_in_all += directly;
    }
    world->stop();
    return world;
  });
  CHECK(lost_in_all <= lost_directly_in_all);
}

}  // namespace
}  // namespace kferry::simulation
