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
#include <expected>
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
#include "proxy/bootstrap_watch.h"
#include "proxy/discovery.h"
#include "proxy/routes.h"
#include "proxy/runtime.h"
#include "proxy/session.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Worker final : private Acceptor::Host {
 public:
  // Kinds of operations beside those of sessions, in Token::kind.
  enum class Operation : std::uint16_t { acceptor = 16, pressure = 24, discovery = 32, watch = 48 };
  static_assert(16 + Acceptor::operations <= 24);
  static_assert(Session::kinds <= 16 && 32 + Discovery::operations <= 48);

  // `index` is this worker's place in runtime.workers. Everything outlives the worker.
  Worker(Runtime& runtime, std::size_t index, ring::Ring& ring, net::Resolver& resolver, std::uint64_t seed);
  virtual ~Worker();

  // Binds every port of the configuration and begins to accept. The error names port, reason and remedy.
  std::optional<std::string> listen() { return acceptor_.listen(); }
  // Begins to discover every cluster that allows it.
  void discover();
  void turn();

  // Any thread: asks the worker to stop accepting and to end its sessions; done once stopped() holds.
  void stop();
  // On the worker's thread: nothing is outstanding any more and turn() must not be called again.
  bool stopped() const;

  // --- for sessions
  ring::Ring& ring() { return ring_; }
  net::BufferPool& pool() { return pool_; }
  Runtime& runtime() { return runtime_; }
  const config::Limits& limits() const { return plan_->config().limits; }
  const config::Engine& engine_options() const { return plan_->config().engine; }
  // Clusters and listeners below are indices into this plan.
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  ClusterState& cluster(std::uint32_t index) { return *views_[index].state; }
  const config::Cluster& cluster_config(std::uint32_t index) const { return plan_->clusters()[index].config; }
  // The newest certificates. Without a context where none could be used so far.
  certificates::Usable<tls::ServerContext> server_context(std::uint32_t cluster,
                                                          std::uint32_t listener) const;
  // With which TLS the brokers of a cluster are dialled; null: with none; the error says why it cannot be used.
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> upstream_context(
      std::uint32_t cluster) const;
  connection::Leg::Shared& legs() { return legs_; }
  // What the configuration wants, until the kernel has shown that it has no TLS.
  connection::KernelTls& kernel_tls() { return kernel_tls_; }
  // False once the kernel has shown that it cannot.
  bool can_peek() const { return can_peek_; }
  void note_no_peeking() { can_peek_ = false; }
  const Snapshot& snapshot(std::uint32_t cluster) const { return *views_[cluster].snapshot; }
  const Routes& routes(std::uint32_t listener_index) const { return routes_[listener_index]; }
  Instant now() const { return ring_.now(); }
  std::int64_t random(std::int64_t below);
  void set_options(ring::Socket socket) override;

  // Takes the newest topologies; sessions are asked to reconsider at the end of the turn.
  void refresh();
  // Asks for a name's addresses; Session::on_resolved answers.
  void resolve(std::uint32_t slot, std::uint16_t generation, const HostPort& where);
  // Asks on the discovery's behalf; Discovery::on_resolved answers.
  void resolve_for_discovery(std::uint32_t cluster, const HostPort& where);
  // Asks on the watch's behalf; BootstrapWatch::on_resolved answers.
  void resolve_for_watch(std::uint32_t cluster, std::size_t server, const HostPort& where);
  // A bootstrap name leads elsewhere: the bootstrap servers are to say which cluster this is.
  void on_bootstrap_moved(std::uint32_t cluster);
  // Calls receive_again() of the leg's owner when buffers are free again, first come first served.
  void starve(ring::Token leg);
  // A connection to this place failed or was ended there: its name is asked for anew.
  void doubt_name(const std::string& host) { resolver_.doubt(host); }
  void note_bootstrap_addresses(std::uint32_t cluster, const std::vector<SocketAddress>& addresses);
  // A dial to a learnt broker has failed: its cluster is to be asked anew, soon.
  void want_discovery(std::uint32_t cluster);

  std::size_t sessions() const { return session_count_; }

 private:
  struct Slot {
    Session* session = nullptr;  // in session_memory_
    std::uint16_t generation = 0;
  };
  struct View {
    ClusterState* state = nullptr;  // outlives the worker
    std::uint64_t version = 0;
    std::shared_ptr<const Snapshot> snapshot;
    bool reconsider = false;
    bool reconsidering = false;  // during one pass over the sessions
  };

  void dispatch(const ring::Completion& completion);
  void serve(std::uint32_t port, ring::Socket client) override;
  Session* find(std::uint32_t slot, std::uint16_t generation);
  void free_if_finished(Slot& slot);
  void answer_resolved();
  void feed_starved();
  void reconsider();
  void on_pressure();
  void begin_to_stop();

  Runtime& runtime_;
  const std::shared_ptr<const Plan> plan_;
  const std::size_t index_;
  ring::Ring& ring_;
  net::BufferPool pool_;
  net::Resolver& resolver_;
  std::shared_ptr<net::AnswerQueue> answers_;
  std::mt19937_64 random_;
  std::shared_ptr<const certificates::TlsSnapshot> tls_;
  std::uint64_t tls_version_ = 0;
  connection::Leg::Shared legs_;
  connection::KernelTls kernel_tls_;
  bool can_peek_ = true;
  std::vector<View> views_;     // by cluster
  std::vector<Routes> routes_;  // by listener, counted over all clusters
  Slab<Session> session_memory_;
  ring::SlotPool<Slot> slots_;
  std::size_t session_count_ = 0;
  std::deque<ring::Token> starved_;  // legs
  bool pressure_armed_ = false;
  Acceptor acceptor_;
  std::vector<std::unique_ptr<Discovery>> discoveries_;   // by cluster; nullptr if it is not discovered
  std::vector<std::unique_ptr<BootstrapWatch>> watches_;  // by cluster; empty but on the first worker
  std::atomic<bool> stop_asked_ = false;
  bool stopping_ = false;
};

}  // namespace kferry::proxy
