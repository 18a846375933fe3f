// One thread's share of the proxy: a ring, its sessions, and its own references to what all workers share.
//
//   turn:  wait ▸ newest topologies ▸ answers of the resolver ▸ completions ▸ starved receives ▸ reconsider
//
// A worker is driven by turn() from one thread, real or simulated; only the functions marked so are for
// others.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/slab.h"
#include "connection/kernel_transport.h"
#include "connection/leg.h"
#include "net/buffer_pool.h"
#include "net/resolver.h"
#include "proxy/acceptor.h"
#include "proxy/doubts.h"
#include "proxy/header_reader.h"
#include "proxy/inquiries.h"
#include "proxy/lingering.h"
#include "proxy/memory_return.h"
#include "proxy/plan_view.h"
#include "proxy/questions.h"
#include "proxy/refused_sockets.h"
#include "proxy/runtime.h"
#include "proxy/session.h"
#include "proxy/session_ages.h"
#include "proxy/session_ids.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Worker final : private Acceptor::Host, private HeaderReader::Host, public Doubts {
 public:
  // Kinds of operations beside those of sessions, in Token::kind.
  enum class Operation : std::uint16_t {
    acceptor = 16,
    pressure = 24,
    memory_return = 25,
    look = 26,
    drain = 27,
    lingering = 28,
    headers = 32,
    refused = 36,
    ages = 37,
    glance = 38,
    inquiries = 40
  };
  static_assert(16 + Acceptor::operations <= 24);
  static_assert(32 + HeaderReader::operations <= 36);
  static_assert(28 + Lingering::operations <= 32);
  static_assert(Session::kinds <= 16);

  // `index` is this worker's place in runtime.workers. Everything outlives the worker. `seed`: 64 random bits.
  Worker(Runtime& runtime, std::size_t index, ring::Ring& ring, net::Resolver& resolver, std::uint64_t seed);
  virtual ~Worker();

  // Binds every port of the configuration and begins to accept. The error names port, reason and remedy.
  std::optional<std::string> listen() { return acceptor_.listen(); }
  // Begins to discover every cluster that allows it.
  void discover() { inquiries_.begin(view_); }
  void turn();

  // Any thread: asks the worker to stop accepting and to end its sessions; done once stopped() holds.
  void stop();
  // On the worker's thread: nothing is outstanding any more and turn() must not be called again.
  bool stopped() const;

  // --- for sessions
  ring::Ring& ring() { return ring_; }
  net::BufferPool& pool() { return pool_; }
  Runtime& runtime() { return runtime_; }
  WorkerCounters& counters() { return counters_; }
  // Of the plan in force, for what began under earlier plans, too.
  const config::Limits& limits() const { return view_->plan().config().limits; }
  const config::Engine& engine_options() const { return engine_; }
  connection::Leg::Shared& legs() { return legs_; }
  // What the configuration wants, until the kernel has shown that it has no TLS.
  connection::KernelTls& kernel_tls() { return kernel_tls_; }
  // False once the kernel has shown that it cannot.
  bool can_peek() const { return can_peek_; }
  void note_no_peeking() { can_peek_ = false; }
  Instant now() const { return ring_.now(); }
  // Valid once a session drains.
  Instant drain_until() const { return drain_until_; }
  std::int64_t random(std::int64_t below);
  // Of the session in that slot.
  SessionId session_id(std::uint32_t slot) { return session_ids_.number_of(slots_.at(slot).serial); }
  void set_options(ring::Socket socket) { set_options(socket, limits()); }
  // Why a session's judge has refused a request: valid until its walk has returned.
  std::string& refusal() { return refusal_; }

  Slab<BrokerDial>& dial_memory() { return dial_memory_; }
  // Takes the newest topologies; sessions are asked to reconsider at the end of the turn.
  void refresh();
  // Asks for a name's addresses on a session's behalf; Session::on_resolved answers, for its latest question alone.
  void resolve(std::uint32_t slot, const HostPort& where);
  // --- for the inquiries, which the first worker has
  Inquiries& inquiries() { return inquiries_; }
  // Inquiries::on_resolved answers.
  void ask_resolver(std::uint64_t request, const HostPort& where) {
    resolver_.resolve(request, where, answers_);
  }
  // Frees the views of plans that neither a session nor an inquiry uses any more.
  void drop_unused_views();

  // Calls receive_again() of the leg's owner when buffers are free again, first come first served.
  void starve(ring::Token leg);
  // The session's listener is known: once the session has the age that this allows, its end_by_age() is called.
  void limit_age(ring::Token session, const config::Listener& listener);
  // Calls the session's look() every SideWatch::interval until it returns false.
  void look_after(ring::Token session);
  void doubt_name(const std::string& host) override { resolver_.doubt(host); }
  void want_discovery(ClusterState& cluster) override;

  std::size_t sessions() const { return session_count_; }
  // The plan in force, and those that sessions or inquiries began under.
  std::size_t plans_in_use() const { return views_.size(); }

 private:
  struct Slot {
    Session* session = nullptr;  // in session_memory_
    std::uint16_t generation = 0;
    SessionIds::Serial serial{};  // of the session
  };
  static_assert(sizeof(Slot) == 2 * sizeof(Session*));

  void dispatch(const ring::Completion& completion);
  // Who may come in: worker_admission.cc
  bool lets_in(Arrival& arrival) override;
  void serve(Arrival arrival) override;
  void pass(Arrival arrival, std::unique_ptr<const net::ProxyHeader> header) override;
  void turn_away(Arrival arrival, Ending ending) override;
  void refuse(const Arrival& arrival, const SocketAddress& client, Failure why);
  void begin_session(const Arrival& arrival, Place place, Visitor visitor);
  SessionId next_session_id() { return session_ids_.number_of(session_ids_.take()); }
  void count_refused(const Arrival& arrival, CloseCause cause, bool probe);
  void audit_refused(const Arrival& arrival, const SocketAddress& client, CloseCause cause, SessionId id);
  void log_refused(const Arrival& arrival, const SocketAddress& client, const Failure& failure, SessionId id);
  void end_aged();
  void set_options(ring::Socket socket, const config::Limits& limits) override;
  void follow_plans();
  void begin_move();
  void note_if_settled();
  void end_leavers();
  std::shared_ptr<PlanView> view_of(const std::shared_ptr<const LivePlan>& live);
  Session* find(std::uint32_t slot, std::uint16_t generation);
  void free_if_finished(Slot& slot);
  void answer_resolved();
  void feed_starved();
  void reconsider();
  void sample();
  void on_pressure();
  void look();
  void glance();
  void arm_glances();
  void begin_to_stop();
  // The drain: worker_drain.cc
  void follow_drain();
  void begin_drain(DrainOrders::Begun begun);
  void drain(Slot& slot);
  bool has_ports_to_drain() const;
  void drain_some_ports();
  void step_drain();
  void arm_drain_timer();
  void note_lingering();

  Runtime& runtime_;
  const std::size_t index_;
  WorkerCounters& counters_;
  std::vector<std::shared_ptr<KnownCluster>> cluster_views_;  // of all plans in use
  std::vector<std::shared_ptr<PlanView>> views_;              // of all plans in use
  std::shared_ptr<PlanView> view_;                            // of the plan in force
  const config::Engine engine_;                               // of the first plan: later ones change nothing
  std::uint64_t news_ = 0;                                    // of the plans' moves, as read last
  bool settling_ = false;  // sockets are being closed, of ports that the plan lacks
  ring::Ring& ring_;
  net::BufferPool pool_;
  net::Resolver& resolver_;
  Questions questions_;
  std::shared_ptr<net::AnswerQueue> answers_;
  std::mt19937_64 random_;
  SessionIds session_ids_;
  std::string refusal_;
  connection::Leg::Shared legs_;
  connection::KernelTls kernel_tls_;
  bool can_peek_ = true;
  Slab<BrokerDial> dial_memory_;
  Slab<Session> session_memory_;
  ring::SlotPool<Slot> slots_;
  std::size_t session_count_ = 0;
  std::deque<ring::Token> starved_;  // legs
  bool pressure_armed_ = false;
  struct LookedAfter {
    ring::Token session;
    SideWatch watch;
  };
  std::vector<LookedAfter> looked_after_;
  bool look_armed_ = false;
  bool glance_armed_ = false;  // while there are sessions
  Instant sample_at_{};
  MemoryReturn memory_return_;
  Acceptor acceptor_;
  Lingering lingering_;
  HeaderReader headers_;
  RefusedSockets refused_;
  SessionAges ages_;
  std::uint64_t drain_news_ = 0;   // as read last
  std::size_t drained_ports_ = 0;  // so many of the orders' ports have been seen
  bool drains_all_ = false;        // every session is to end, those that are still to come included
  Instant drain_until_{};          // valid once a port is drained
  // Of the first worker, while it drains port after port:
  std::size_t ports_per_step_ = 0;
  std::vector<SocketAddress> closed_ports_;  // whose sessions are not told yet
  Duration closing_step_{};
  Instant drain_ports_at_{};  // valid while the first worker has ports to drain
  Instant drain_step_at_{};   // of the sessions
  bool drain_armed_ = false;
  Inquiries inquiries_;
  std::atomic<bool> stop_asked_ = false;
  bool stopping_ = false;
};

}  // namespace kferry::proxy
