// Runs the proxy: one thread, one ring and one worker per core, until it is asked to stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/audit_sink.h"
#include "base/clock.h"
#include "base/handed_sockets.h"
#include "base/log_sink.h"
#include "config/config.h"
#include "net/resolver.h"
#include "proxy/cluster_memory.h"
#include "proxy/drain_orders.h"
#include "proxy/figures.h"
#include "proxy/plan_moves.h"
#include "proxy/server_status.h"

namespace kferry::proxy {

class Server {
 public:
  // `resolver` and `log` outlive the server. `tls`, loaded, where the configuration asks for any.
  Server(std::shared_ptr<const Plan> plan, net::Resolver& resolver, LogSink& log,
         std::shared_ptr<const certificates::TlsContexts> tls = nullptr);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts the workers and binds every port. The error says what is wrong and what to do. Returns once
  // clients can connect.
  // `handed`, which outlives the server, has sockets that need not be bound; may be null.
  std::expected<void, std::string> start(HandedSockets* handed = nullptr);
  // Before start(). `sink` outlives the server.
  void audit_to(AuditSink& sink);
  // Before start(): what a predecessor has learnt.
  void restore(const std::vector<ClusterMemory>& memories);
  // Once started: what a successor needs to know, and the sockets that accept, which the caller closes.
  std::vector<ClusterMemory> memories() const;
  std::expected<std::vector<int>, int> listening_sockets() const;
  // Once started, from any thread: moves to another plan while sessions continue (proxy/plan_moves.h). The values of
  // [engine] stay those of the first plan.
  std::future<PlanMoves::Outcome> propose(std::shared_ptr<const Plan> plan,
                                          std::shared_ptr<const certificates::TlsContexts> tls = nullptr);
  // The proposer stops waiting (PlanMoves::withdraw). False: it is in force, and workers may still move.
  bool withdraw_proposal(std::string why);
  // Once started, from any thread: every port stops accepting, within 2 s, and every session ends once what it has read
  // is answered; what is left after its time is reset. status().drain says how far it is; stop() follows.
  void drain(DrainOrders::Begun begun);
  // Ends every session and every thread.
  void stop();
  std::size_t worker_count() const;
  // Of the plan in force.
  config::Limits limits() const;
  // Once started: what the workers' rings are, "io_uring" or "epoll".
  std::string_view backend() const;
  // What can be observed now. Any thread, also before start() and after stop().
  ServerStatus status() const;
  // What was counted so far; empty before start() and after stop(). Any thread; waits for no worker.
  Figures figures() const;
  // Every worker turns, so that its count of turns moves. Any thread.
  void wake_workers();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The cores this process may run on.
std::uint32_t usable_cores();

}  // namespace kferry::proxy
