// What all workers of a process share. Built once at start, and outlives the workers; everything in it is immutable or
// locks itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/audit_sink.h"
#include "base/handed_sockets.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "certificates/tls_contexts.h"
#include "net/address_memory.h"
#include "proxy/admission.h"
#include "proxy/arrivals.h"
#include "proxy/cluster_state.h"
#include "proxy/counters.h"
#include "proxy/drain_orders.h"
#include "proxy/key_derivation.h"
#include "proxy/listening_sockets.h"
#include "proxy/live_plan.h"
#include "proxy/loop_guard.h"
#include "proxy/own_places.h"
#include "proxy/pacing.h"
#include "proxy/plan.h"
#include "proxy/plan_moves.h"
#include "ring/ring.h"

namespace kferry::proxy {

// Why an address is not dialled where is_own() holds.
inline constexpr const char* own_listener = "is a listener of kferry's own";
// Why one is not dialled where clients are told to find kferry.
inline constexpr std::string_view own_advertised = "is where clients are told to find kferry";

// A worker as the others see it. Lives as long as the runtime.
struct WorkerLink {
  std::shared_ptr<ring::Mailbox> mailbox;
  ring::Ring* ring = nullptr;  // for wake() only
  std::atomic<std::uint32_t> sessions = 0;
  std::atomic<std::uint32_t> lingering = 0;  // sockets whose session has ended; written by the worker alone
  Arrivals arrivals;
  std::atomic<std::uint64_t> turns = 0;  // written by the worker alone
  WorkerCounters counters;               // likewise
};

struct Runtime {
  // `log` outlives the runtime. `tls`, loaded, where the configuration asks for any.
  Runtime(std::shared_ptr<const Plan> plan, LogSink& log,
          std::shared_ptr<const certificates::TlsContexts> tls = nullptr);

  // Why a broker of the cluster is not dialled there, for messages; empty: it may be. `learnt`: the place that a
  // response has named; null: the address comes from the configuration. `from` as for Plan::is_own().
  std::string_view why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                   const HostPort* learnt, Instant now, const SocketAddress& from = {}) const;

  // What the proposed plan is in force: clusters of the current plan keep what is known of them, unless none of their
  // bootstrap servers is left: then it is learnt anew, since they may lead to another cluster.
  std::shared_ptr<const LivePlan> make_live(PlanMoves::Proposal proposal);
  // The first worker, once it listens on the plan's ports.
  void publish(const std::shared_ptr<const LivePlan>& live);

  LogSink& log;
  AuditSink* audit =
      nullptr;  // null: nothing is audited. Set before the first worker is made, and outlives them.
  PlanMoves moves;
  DrainOrders drain;
  Admission admission;                          // outlives every ticket, those of `workers` too
  std::atomic<std::uint32_t> refused_held = 0;  // RefusedSockets, of all workers
  // Sockets that need not be bound, because another process has; null: there are none. Set before the first worker is
  // made.
  HandedSockets* handed = nullptr;
  ListeningSockets listening;
  // Null: only names are compared. Set before the first worker is made.
  std::unique_ptr<OwnPlaces> own_places;
  Pacing stand_ins;
  LoopGuard loops;
  KeyDerivation keys;
  net::AddressMemory addresses;
  // Filled before the first worker turns; never changed after.
  std::vector<std::unique_ptr<WorkerLink>> workers;

 private:
  std::shared_ptr<const LivePlan> live_after(const LivePlan* former, PlanMoves::Proposal proposal);
  std::shared_ptr<ClusterState> new_state(const std::string& name);
  void wake_workers();
};

}  // namespace kferry::proxy
