#include "connection/dialler.h"

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "connection/deadline.h"
#include "doctest/doctest.h"
#include "ring/simulated_ring.h"

namespace kferry::connection {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

SocketAddress at(const std::string& host, std::uint16_t port = 9092) {
  return *SocketAddress::parse(host, port);
}

Candidate learnt(const std::string& host, std::int32_t id) {
  return {{host, 9092}, NodeId{id}};
}

Candidate configured(const std::string& host) {
  return {{host, 9092}, std::nullopt};
}

// Plays the host and the owner of the leg. Names resolve to what `names` says.
class Dial final : private Dialler::Host, private Leg::Owner {
 public:
  explicit Dial(const ring::SimulationOptions& options = {},
                Dialler::Timeouts timeouts = {seconds(5), seconds(5)})
      : world(options),
        ring(world),
        pool_(ring),
        shared_{ring, pool_, 16 * KiB, 0, UINT64_MAX},
        deadline_(ring, {0, 0, Leg::operations}),
        input_(pool_),
        output_(pool_),
        leg(shared_, *this, tls::Remote::broker, {}, input_, output_),
        dialler(*this, leg, shared_, no_kernel_tls_, timeouts) {}
  ~Dial() {
    leg.close(true);
    deadline_.cancel();
    run([&] { return leg.outstanding() == 0 && !deadline_.armed(); });
  }

  // Until the dial has an outcome.
  void go(std::vector<Candidate> candidates) {
    dialler.start(std::move(candidates));
    wait();
  }
  void wait() {
    run([&] { return dialled || not_dialled; });
  }
  void reject(std::string why) {
    dialled = false;
    dialler.reject(std::move(why));
    run([&] { return dialled || not_dialled; });
  }

  ring::Simulation world;
  ring::SimulatedRing ring;
  std::map<std::string, std::vector<SocketAddress>> names;
  std::map<std::string, std::string> refused;  // by address
  bool dialled = false;
  bool not_dialled = false;
  int local_error = 0;
  std::vector<Candidate> failed;
  std::string heals;  // the name whose first address has no fault any more once it is resolved again

 private:
  net::BufferPool pool_;
  Leg::Shared shared_;
  KernelTls no_kernel_tls_;
  Deadline deadline_;
  net::Rope input_;
  net::Rope output_;

 public:
  Leg leg;
  Dialler dialler;

 private:
  template <class Condition>
  void run(const Condition& holds) {
    while (!holds()) {
      for (const ring::Completion& completion : ring.wait()) {
        if (completion.token.kind < Leg::operations) {
          leg.on_completion(static_cast<Leg::Operation>(completion.token.kind), completion);
        } else if (deadline_.on_timer(wanted_ && leg.stage() != Leg::Stage::closing)) {
          dialler.on_deadline();
        }
      }
      if (holds()) return;
      REQUIRE(world.step());
    }
  }

  void resolve(const HostPort& where) override {
    if (where.host == heals && resolved_++ > 0)
      world.set_dial_fault(names[heals].front(), ring::DialFault::none);
    const auto found = names.find(where.host);
    if (found == names.end()) return dialler.on_resolved({}, "no such name");
    dialler.on_resolved(found->second, {});
  }
  std::string_view why_not_dialled(const Candidate& /*candidate*/, const SocketAddress& address,
                                   const SocketAddress& from) override {
    const auto found = refused.find((from.empty() ? "" : "connected ") + address.host_text());
    return found == refused.end() ? std::string_view() : std::string_view(found->second);
  }
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override {
    return nullptr;
  }
  void set_dial_deadline(Duration in) override {
    wanted_ = true;
    deadline_.set(ring.now() + in);
  }
  void clear_dial_deadline() override { wanted_ = false; }
  void on_dial_starved() override { dialler.resume(); }
  void on_candidate_failed(const Candidate& candidate, const std::string& /*tried*/) override {
    failed.push_back(candidate);
  }
  void on_dialled(const Candidate& /*candidate*/) override {
    leg.set_owner(*this);
    dialled = true;
  }
  void on_not_dialled(int error) override {
    not_dialled = true;
    local_error = error;
  }

  void on_connected(Leg& /*leg*/, int /*error*/) override { FAIL("the dialler connects"); }
  void on_input(Leg& /*leg*/) override {}
  void on_output(Leg& /*leg*/) override {}
  void on_spliced(Leg& /*leg*/, std::uint64_t /*size*/) override {}
  void on_break(Leg& /*leg*/, const Leg::Break& /*what*/) override {}
  void on_key_exhausted(Leg& /*leg*/) override {}
  void on_starved(Leg& /*leg*/) override {}
  void on_left(Leg& /*leg*/) override {}
  bool at_boundary(const Leg& /*leg*/) const override { return true; }

  bool wanted_ = false;
  int resolved_ = 0;  // so many times, of `heals`
};

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

TEST_CASE("a connect that hangs is given up after its time-out") {
  Dial dial;
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2")}}};
  dial.world.set_dial_fault(at("10.0.0.1"), ring::DialFault::hang);
  REQUIRE(dial.world.listen_outside(at("10.0.0.2")).has_value());
  const Instant began = dial.ring.now();
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.dialled);
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
  dial.names = {{"k1", {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")}}};
  for (const char* host : {"10.0.0.1", "10.0.0.2", "10.0.0.3"})
    dial.world.set_dial_fault(at(host), ring::DialFault::hang);
  const Instant began = dial.ring.now();
  dial.go({learnt("k1", 1)});
  REQUIRE(dial.not_dialled);
  CHECK(dial.dialler.tried() == " 10.0.0.1:9092 (timed out) 10.0.0.2:9092 (timed out)");
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

TEST_CASE("without candidates nothing is tried") {
  Dial dial;
  dial.go({});
  CHECK(dial.not_dialled);
  CHECK(dial.dialler.tried().empty());
}

}  // namespace
}  // namespace kferry::connection
