// A dialler on a simulated ring, with a host that resolves names from a table. For the tests of connection/dialler.h.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "connection/deadline.h"
#include "connection/dialler.h"
#include "doctest/doctest.h"
#include "ring/simulated_ring.h"

namespace kferry::connection {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline SocketAddress at(const std::string& host, std::uint16_t port = 9092) {
  return *SocketAddress::parse(host, port);
}

inline Candidate learnt(const std::string& host, std::int32_t id) {
  return {{host, 9092}, NodeId{id}};
}

inline Candidate configured(const std::string& host) {
  return {{host, 9092}, std::nullopt};
}

// Plays the host and the owner of the leg. Names resolve to what `names` says.
class Dial : private Dialler::Host, private Leg::Owner {
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
        dialler(*this, leg, shared_, no_kernel_tls_, timeouts, {0, 0, Leg::operations + 1}, &memory) {}
  virtual ~Dial() {
    leg.close(true);
    dialler.close();
    deadline_.cancel();
    run([&] { return leg.outstanding() + dialler.outstanding() == 0 && !deadline_.armed(); });
  }

  // Until the dial has an outcome.
  void go(std::vector<Candidate> candidates) {
    dialler.start(std::move(candidates));
    wait();
  }
  void wait() {
    run([&] { return dialled || not_dialled; });
  }
  template <class Condition>
  void wait(const Condition& holds) {
    run(holds);
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
  net::AddressMemory memory{null_log_sink()};
  std::shared_ptr<const tls::ClientContext> context;  // null: plaintext
  std::function<Dialler::Host::Turn(const Candidate&)> turn;
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
        const std::uint16_t kind = completion.token.kind;
        if (kind < Leg::operations) {
          leg.on_completion(static_cast<Leg::Operation>(kind), completion);
        } else if (kind > Leg::operations) {
          dialler.on_completion(static_cast<std::uint16_t>(kind - Leg::operations - 1), completion);
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
    if (where.host == "silent") return;
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
    return context;
  }
  void set_dial_deadline(Duration in) override {
    wanted_ = true;
    deadline_.set(ring.now() + in);
  }
  void clear_dial_deadline() override { wanted_ = false; }
  Turn turn_of(const Candidate& candidate) override { return turn ? turn(candidate) : Turn{}; }
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

  void on_input(Leg& /*leg*/) override {}
  void on_output(Leg& /*leg*/, std::size_t /*sent*/) override {}
  void on_spliced(Leg& /*leg*/, std::uint64_t /*size*/) override {}
  void on_break(Leg& /*leg*/, const Leg::Break& /*what*/) override {}
  void on_key_exhausted(Leg& /*leg*/) override {}
  void on_starved(Leg& /*leg*/) override {}
  void on_left(Leg& /*leg*/) override {}
  bool at_boundary(const Leg& /*leg*/) const override { return true; }

  bool wanted_ = false;
  int resolved_ = 0;  // so many times, of `heals`
};

}  // namespace kferry::connection
