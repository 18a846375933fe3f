#include "connection/dialler.h"

#include <cerrno>

#include "connection/dialler_fixture_test.h"
#include "doctest/doctest.h"

namespace kferry::connection {
namespace {

TEST_CASE("every address of every candidate is tried in order until one connects") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}, {"k2", {at("10.0.0.3"), at("10.0.0.4")}}};
  dial.world.set_dial_fault(at("10.0.0.2"), ring::DialFault::unreachable);
  REQUIRE(dial.world.listen_outside(at("10.0.0.4")).has_value());
  dial.go({learnt("k1", 1), configured("nowhere"), learnt("k2", 2)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.candidate() == learnt("k2", 2));
  CHECK(dial.dialler.address() == at("10.0.0.4"));
  CHECK(dial.dialler.tried() ==
        " 10.0.0.1:9092 (Connection refused) 10.0.0.2:9092 (No route to host) nowhere:9092 (no such name) "
        "10.0.0.3:9092 (Connection refused)");
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1), configured("nowhere")});
  CHECK(dial.dialler.network_failed());
}

TEST_CASE("a node with two addresses fails once, after the second") {
  Dial dial;
  dial.names = {{"new", {at("10.0.0.1")}}, {"old", {at("10.0.0.2")}}};
  dial.go({learnt("new", 7), learnt("old", 7)});
  REQUIRE(dial.not_dialled);
  CHECK(dial.local_error == 0);
  CHECK(dial.failed == std::vector<Candidate>{learnt("old", 7)});
}

TEST_CASE("the only address is given up after its time-out") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1")}}};
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::hang);
  const Instant began = dial.ring.now();
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.not_dialled);
  CHECK(dial.dialler.tried() == " 10.0.0.1:9092 (timed out)");
  CHECK(dial.dialler.last().error == ETIMEDOUT);
  CHECK(dial.ring.now() - began >= seconds(5));
  CHECK(dial.ring.now() - began < seconds(6));
}

TEST_CASE("an address that the host refuses is not dialled, nor kept once connected") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")}}};
  dial.refused = {{"10.0.0.1", "is a listener of kferry's own"}, {"connected 10.0.0.2", "is ourselves"}};
  auto refused = dial.world.listen_outside(at("10.0.0.1"));
  auto left = dial.world.listen_outside(at("10.0.0.2"));
  REQUIRE(dial.world.listen_outside(at("10.0.0.3")).has_value());
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.3"));
  CHECK_FALSE(refused->accept().has_value());
  const auto connected = left->accept();
  REQUIRE(connected.has_value());
  CHECK(connected->was_reset());
  CHECK(dial.dialler.tried() ==
        " 10.0.0.1:9092 (is a listener of kferry's own) 10.0.0.2:9092 (is ourselves)");
  CHECK_FALSE(dial.dialler.network_failed());
}

TEST_CASE("a connection that turns out to be useless is followed by the next address") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}};
  REQUIRE(dial.world.listen_outside(at("10.0.0.1")).has_value());
  REQUIRE(dial.world.listen_outside(at("10.0.0.2")).has_value());
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.dialled);
  dial.reject("another cluster answers there");
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.2"));
  CHECK(dial.dialler.tried() == " 10.0.0.1:9092 (another cluster answers there)");
  dial.reject("so does this one");
  CHECK(dial.not_dialled);
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1)});
  CHECK(dial.leg.stage() == Leg::Stage::none);
}

TEST_CASE("the first node is dialled once more after a pause, the others once") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60)});
  dial.names = {{"k1", {at("10.0.0.1")}}, {"k2", {at("10.0.0.2")}}};
  const Instant began = dial.ring.now();
  dial.go({learnt("k1", 1), learnt("k2", 2)});
  REQUIRE(dial.not_dialled);
  CHECK(dial.dialler.tried() ==
        " 10.0.0.1:9092 (Connection refused) 10.0.0.1:9092 (Connection refused) "
        "10.0.0.2:9092 (Connection refused)");
  CHECK(dial.ring.now() - began >= milliseconds(60));
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1), learnt("k2", 2)});
}

TEST_CASE("a broker that refuses one connection is reached by the retry") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60)});
  dial.names = {{"k1", {at("10.0.0.1")}}, {"k2", {at("10.0.0.2")}}};
  REQUIRE(dial.world.listen_outside(at("10.0.0.1")).has_value());
  REQUIRE(dial.world.listen_outside(at("10.0.0.2")).has_value());
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::refused);
  dial.heals = "k1";
  dial.go({learnt("k1", 1), learnt("k2", 2)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.candidate() == learnt("k1", 1));
  CHECK(dial.failed.empty());
}

TEST_CASE("what this host lacks is no failure of the broker, and another address may do") {
  Dial lacking;
  lacking.names = {{"k1", {at("10.0.0.1")}}, {"k2", {at("10.0.0.2")}}};
  lacking.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::no_port);
  REQUIRE(lacking.world.listen_outside(at("10.0.0.2")).has_value());
  lacking.go({learnt("k1", 1), learnt("k2", 2)});
  REQUIRE(lacking.not_dialled);
  CHECK(lacking.local_error == EADDRNOTAVAIL);
  CHECK(lacking.failed.empty());

  // A host without IPv6 has no address for a connection there.
  Dial dual;
  dual.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}};
  dual.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::no_port);
  REQUIRE(dual.world.listen_outside(at("10.0.0.2")).has_value());
  dual.go({learnt("k1", 1)});
  REQUIRE(dual.dialled);
  CHECK(dual.dialler.address() == at("10.0.0.2"));
}

TEST_CASE("a dial ends with its budget, however many addresses hang") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60), seconds(8)});
  for (int i = 1; i <= 9; ++i) {
    dial.names["k1"].push_back(at("10.0.0." + std::to_string(i)));
    dial.world.set_dial_fault(dial.names["k1"].back(), ring::DialFault::hang);
  }
  const Instant began = dial.ring.now();
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.not_dialled);
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1)});
  CHECK(dial.ring.now() - began >= seconds(8));
  CHECK(dial.ring.now() - began < seconds(9));
}

TEST_CASE("a dial whose client has ended is cut short, and the broker is not blamed") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60), seconds(8)});
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}};
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::hang);
  const Instant began = dial.ring.now();
  dial.dialler.start({learnt("k1", 1), learnt("k1", 2)});
  dial.dialler.shorten(milliseconds(300));
  dial.dialler.shorten(seconds(3));
  dial.wait();
  REQUIRE(dial.not_dialled);
  CHECK(dial.failed.empty());
  CHECK(dial.ring.now() - began >= milliseconds(300));
  CHECK(dial.ring.now() - began < milliseconds(400));
  dial.dialler.shorten(Duration::zero());
}

TEST_CASE("a candidate with a patience of its own leaves the rest of the time to the next") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60), seconds(8)});
  dial.names = {{"k1", {at("10.0.0.1")}}, {"k2", {at("10.0.0.2")}}};
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::hang);
  REQUIRE(dial.world.listen_outside(at("10.0.0.2")).has_value());
  const Instant began = dial.ring.now();
  Candidate hurried = learnt("k1", 1);
  hurried.patience = milliseconds(700);
  dial.go({hurried, learnt("k2", 2)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.2"));
  CHECK(dial.ring.now() - began >= milliseconds(700));
  CHECK(dial.ring.now() - began < milliseconds(800));
}

TEST_CASE("a broker that answers within the shortened time is dialled") {
  Dial dial({}, {seconds(5), seconds(5), milliseconds(60), seconds(8)});
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}};
  REQUIRE(dial.world.listen_outside(at("10.0.0.2")).has_value());
  dial.dialler.start({learnt("k1", 1)});
  dial.dialler.shorten(milliseconds(300));
  dial.wait();
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.address() == at("10.0.0.2"));
}

using Turn = Dialler::Host::Turn;

TEST_CASE("the budget covers DNS, and a pause, and the retry") {
  const Dialler::Timeouts timeouts{seconds(5), seconds(5), milliseconds(60), milliseconds(500)};
  const auto took = [](Dial& dial, std::vector<Candidate> candidates) {
    const Instant began = dial.ring.now();
    dial.go(std::move(candidates));
    REQUIRE(dial.not_dialled);
    return dial.ring.now() - began;
  };
  Dial dns({}, timeouts);
  CHECK(took(dns, {learnt("silent", 1), learnt("silent", 2)}) == milliseconds(500));
  CHECK(dns.dialler.tried() == " silent:9092 (DNS timed out)");
  CHECK(dns.failed == std::vector<Candidate>{learnt("silent", 1)});

  Dial pausing({}, timeouts);
  pausing.names = {{"k1", {at("10.0.0.1")}}};
  pausing.turn = [](const Candidate&) { return Turn{.what = Turn::What::wait, .wait = milliseconds(200)}; };
  CHECK(took(pausing, {learnt("k1", 1)}) == milliseconds(500));
  CHECK(pausing.dialler.tried().empty());

  Dial retried({}, {seconds(5), seconds(5), seconds(2), milliseconds(500)});
  retried.names = {{"k1", {at("10.0.0.1")}}};
  CHECK(took(retried, {learnt("k1", 1)}) == milliseconds(500));
}

TEST_CASE("a candidate whose turn has not come is asked for again, in time or when the host says so") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1")}}};
  REQUIRE(dial.world.listen_outside(at("10.0.0.1")).has_value());
  int asked = 0;
  dial.turn = [&](const Candidate&) {
    return ++asked < 3 ? Turn{.what = Turn::What::wait, .wait = milliseconds(200)} : Turn{};
  };
  const Instant began = dial.ring.now();
  dial.dialler.start({learnt("k1", 1)});
  dial.dialler.ask_again();
  CHECK(asked == 2);
  dial.wait();
  CHECK(dial.dialled);
  CHECK(asked == 3);
  CHECK(dial.ring.now() - began >= milliseconds(200));
  CHECK(dial.ring.now() - began < milliseconds(210));
  dial.dialler.ask_again();
  CHECK(asked == 3);
}

TEST_CASE("the host may put candidates first, and skip a node") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1")}}, {"k2", {at("10.0.0.2")}}, {"k3", {at("10.0.0.3")}}};
  REQUIRE(dial.world.listen_outside(at("10.0.0.3")).has_value());
  int asked = 0;
  dial.turn = [&](const Candidate& candidate) {
    if (candidate.node == NodeId{2}) return Turn{.what = Turn::What::skip};
    const bool first = candidate.node == NodeId{3} && ++asked == 1;
    return first ? Turn{.what = Turn::What::first, .candidates = {learnt("k1", 1)}} : Turn{};
  };
  dial.go({learnt("k2", 2), learnt("k1", 2), learnt("k3", 3)});
  REQUIRE(dial.dialled);
  CHECK(dial.dialler.candidate() == learnt("k3", 3));
  CHECK(dial.dialler.tried() == " 10.0.0.1:9092 (Connection refused)");
  CHECK(dial.failed == std::vector<Candidate>{learnt("k1", 1)});
}

TEST_CASE("a host that ends the dial while it is asked hears nothing more of it") {
  Dial dial;
  dial.turn = [&](const Candidate&) { return Turn{.what = Turn::What::ended}; };
  dial.dialler.start({learnt("k1", 1)});
  CHECK_FALSE(dial.not_dialled);
  CHECK(dial.failed.empty());
}

TEST_CASE("without candidates nothing is tried") {
  Dial dial;
  dial.go({});
  CHECK(dial.not_dialled);
  CHECK(dial.dialler.tried().empty());
}

}  // namespace
}  // namespace kferry::connection
