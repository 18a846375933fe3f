// The race between the addresses of a name: its order, its times, and what becomes of the losers.
#include <algorithm>
#include <set>

#include "connection/dialler_fixture_test.h"
#include "doctest/doctest.h"
#include "tls/engine_pair_test.h"

namespace kferry::connection {
namespace {

constexpr Duration delay = net::AddressMemory::delay_min;
constexpr Duration slack = milliseconds(20);

// So long a name's addresses take, the first one first: those not listed refuse, and `hang` never answers.
struct Raced : Dial {
  explicit Raced(int addresses, const std::set<int>& hang, const std::set<int>& good,
                 Dialler::Timeouts timeouts = {seconds(5), seconds(5), milliseconds(60), seconds(10)})
      : Dial({}, timeouts) {
    for (int i = 1; i <= addresses; ++i) {
      const SocketAddress address = at("10.0.0." + std::to_string(i));
      names["k1"].push_back(address);
      if (hang.contains(i)) world.set_dial_fault(address, ring::DialFault::hang);
      if (good.contains(i)) listening.push_back(*world.listen_outside(address));
    }
  }
  Duration dial() {
    const Instant began = ring.now();
    go({learnt("k1", 1)});
    return ring.now() - began;
  }
  std::vector<ring::SimListener> listening;
};

TEST_CASE("an address that does not answer is overtaken by the next after 250 ms") {
  Raced dial(3, {1, 2}, {3});
  const Duration took = dial.dial();
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.3"));
  CHECK(took >= 2 * delay);
  CHECK(took < 2 * delay + slack);
  CHECK(dial.dialler.outstanding() == 0);
  CHECK(dial.world.leaks().sockets == 1);
  CHECK(dial.failed.empty());
  CHECK(dial.dialler.tried().empty());
}

TEST_CASE("an address that refuses is followed by the next at once, beside one that hangs") {
  Raced dial(4, {1}, {4});
  const Duration took = dial.dial();
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.4"));
  CHECK(took < delay + slack);
  CHECK(dial.dialler.tried() == " 10.0.0.2:9092 (Connection refused) 10.0.0.3:9092 (Connection refused)");
}

TEST_CASE("the next dial begins with the address that answered, and the dead ones come last") {
  Raced first(3, {1, 2}, {3});
  first.dial();
  const auto order = [&] {
    std::vector<SocketAddress> addresses = first.names["k1"];
    first.memory.plan({"k1", 9092}, addresses, first.ring.now());
    return addresses;
  };
  CHECK(order() == std::vector{at("10.0.0.3"), at("10.0.0.1"), at("10.0.0.2")});
}

TEST_CASE("the first address that answers is the only one that is dialled") {
  Raced dial(3, {}, {1, 2, 3});
  dial.dial();
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.1"));
  CHECK(dial.listening[0].accept().has_value());
  CHECK_FALSE(dial.listening[1].accept().has_value());
}

TEST_CASE("at most four addresses are tried at once") {
  Raced dial(9, {1, 2, 3, 4, 5, 6, 7, 8}, {9});
  const Instant began = dial.ring.now();
  dial.dialler.start({learnt("k1", 1)});
  unsigned most = 0;
  dial.wait([&] {
    most = std::max<unsigned>(most, dial.dialler.outstanding());
    return dial.dialled || dial.not_dialled;
  });
  CHECK(most == ConnectRace::attempts_max);
  REQUIRE(dial.dialled);
  // The oldest attempts give way to those that wait for room.
  CHECK(dial.ring.now() - began >= seconds(4));
  CHECK(dial.ring.now() - began < seconds(4) + slack);
}

TEST_CASE("where all addresses hang the dial ends with the last one's time-out, and once") {
  Raced dial(3, {1, 2, 3}, {}, {seconds(2), seconds(5)});
  const Duration took = dial.dial();
  REQUIRE(dial.not_dialled);
  CHECK(took >= seconds(2) + 2 * delay);
  CHECK(took < seconds(2) + 2 * delay + slack);
  CHECK(dial.dialler.tried() ==
        " 10.0.0.1:9092 (timed out) 10.0.0.2:9092 (timed out) 10.0.0.3:9092 (timed out)");
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1)});
  CHECK(dial.dialler.outstanding() == 0);
}

TEST_CASE("the budget ends a race whatever is in flight") {
  Raced dial(3, {1, 2, 3}, {}, {seconds(5), seconds(5), milliseconds(60), milliseconds(400)});
  const Duration took = dial.dial();
  REQUIRE(dial.not_dialled);
  CHECK(took >= milliseconds(400));
  CHECK(took < milliseconds(400) + slack);
  CHECK(dial.dialler.outstanding() == 0);
}

TEST_CASE("a loser that connects late is reset, whatever the order of events") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    ring::SimulationOptions options{.seed = seed};
    options.latency_max = milliseconds(400);
    Dial dial(options);
    std::vector<ring::SimListener> listening;
    for (int i = 1; i <= 4; ++i) {
      dial.names["k1"].push_back(at("10.0.0." + std::to_string(i)));
      listening.push_back(*dial.world.listen_outside(dial.names["k1"].back()));
    }
    dial.go({learnt("k1", 1)});
    REQUIRE(dial.dialled);
    CHECK(dial.world.leaks().sockets == 1);
    for (ring::SimListener& one : listening) {
      while (auto accepted = one.accept())
        CHECK(accepted->was_reset() == (one.address() != dial.dialler.address()));
    }
    CHECK(dial.dialler.tried().empty());
  }
}

TEST_CASE("an address that refuses once is tried again while the others do not answer") {
  Raced dial(3, {2, 3}, {1});
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::refused);
  dial.world.after(milliseconds(10),
                   [&] { dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::none); });
  const Duration took = dial.dial();
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.1"));
  CHECK(took >= milliseconds(60));
  CHECK(took < delay + milliseconds(60) + slack);
}

TEST_CASE("a loser is tried again where the winner turns out to be useless") {
  Raced dial(2, {1}, {2});
  dial.dial();
  REQUIRE(dial.dialled);
  REQUIRE(dial.dialler.address() == at("10.0.0.2"));
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::none);
  REQUIRE(dial.world.listen_outside(at("10.0.0.1")).has_value());
  dial.reject("it gives no answer");
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.1"));
}

TEST_CASE("a dial that is closed leaves nothing behind, in whatever state") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    ring::SimulationOptions options{.seed = seed};
    options.latency_max = milliseconds(300);
    Raced dial(4, seed % 2 == 0 ? std::set{1, 2} : std::set<int>{},
               seed % 3 == 0 ? std::set{3, 4} : std::set{4},
               {seconds(2), seconds(5), milliseconds(60), seconds(3)});
    dial.dialler.start({learnt("k1", 1), learnt("k2", 2)});
    std::uint64_t turns = dial.world.random(30);
    dial.wait([&] { return turns-- == 0 || dial.dialled || dial.not_dialled; });
  }  // the destructor closes it and waits for what is outstanding
}

TEST_CASE(
    "an address that accepts and never shakes hands leaves time for the next, and comes last from then on") {
  Raced dial(2, {}, {1, 2}, {seconds(5), seconds(10), milliseconds(60), seconds(8)});
  dial.context = tls::client_context({});
  const Duration took = dial.dial();
  REQUIRE(dial.not_dialled);
  CHECK(took >= seconds(8));
  CHECK(took < seconds(8) + slack);
  CHECK(dial.listening[0].accept().has_value());
  CHECK(dial.listening[1].accept().has_value());
  CHECK(dial.dialler.last().handshake_state.empty() == false);
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1)});

  Raced other(2, {}, {1, 2}, {seconds(5), seconds(2)});
  other.context = dial.context;
  other.dial();
  std::vector<SocketAddress> addresses = {at("10.0.0.1"), at("10.0.0.9")};
  other.memory.plan({"k1", 9092}, addresses, other.ring.now());
  CHECK(addresses == std::vector{at("10.0.0.9"), at("10.0.0.1")});
}

TEST_CASE("the addresses of both families take turns") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2"), at("fd00::1"), at("fd00::2")}}};
  REQUIRE(dial.world.listen_outside(at("fd00::2")).has_value());
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.tried() ==
        " 10.0.0.1:9092 (Connection refused) [fd00::1]:9092 (Connection refused) 10.0.0.2:9092 (Connection "
        "refused)");
}

}  // namespace
}  // namespace kferry::connection
