// What the first worker asks on kferry's own behalf: for each cluster of its plan a Discovery, where possible, and a
// BootstrapWatch. They belong to one plan. A move to another plan ends and restarts what concerns a changed upstream,
// so that its servers, credentials and certificates are tried at once, and what has not succeeded so far; the rest
// continues under the other plan.
//
// Lives on the first worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/host_port.h"
#include "net/resolver.h"
#include "proxy/bootstrap_watch.h"
#include "proxy/discovery.h"
#include "proxy/plan_view.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Worker;

class Inquiries {
 public:
  // Operations, in Token::kind: discovery's, and the watch's timer.
  static constexpr std::uint16_t kinds = Discovery::operations + 1;

  // `kind`: of the first operation.
  Inquiries(Worker& worker, std::uint16_t kind) : worker_(worker), kind_(kind) {}

  // Begins for every cluster of the view's plan, or continues, and ends what else was begun before.
  void begin(const std::shared_ptr<PlanView>& view);
  void stop();
  bool stopped() const { return count_ == 0; }

  void on_completion(const ring::Completion& completion);
  // Buffers are free again after a receive of this leg found none.
  void receive_again(ring::Token leg);
  // At the end of each turn: runs every discovery soon whose cluster wants one, and hands over keys that were derived.
  void run_wanted();

  // Ask on a discovery's or a watch's behalf, which is named by its token.
  void resolve_for_discovery(ring::Token discovery, const HostPort& where);
  void resolve_for_watch(ring::Token watch, std::size_t server, const HostPort& where);
  // Whether a resolver's request was made here.
  static bool is_own(std::uint64_t request);
  void on_resolved(net::Answer answer);
  // A bootstrap name leads elsewhere: the bootstrap servers are to say which cluster this is.
  void on_bootstrap_moved(ring::Token watch);

 private:
  // Of one cluster.
  struct Inquiry {
    std::unique_ptr<Discovery> discovery;  // null if it is not possible
    std::unique_ptr<BootstrapWatch> watch;
    std::shared_ptr<ClusterState> cluster;
    std::shared_ptr<const LivePlan> plan;  // that it belongs to
    std::uint32_t index = 0;               // of the cluster in it
    std::uint16_t generation = 0;
    bool stopping = false;
  };

  // Whether an inquiry of this cluster continues under the view's plan.
  bool keep(const std::shared_ptr<PlanView>& view, std::uint32_t cluster);
  void stop(std::uint32_t slot);
  Inquiry* find(std::uint32_t slot, std::uint16_t generation);
  void free_if_stopped(std::uint32_t slot);

  Worker& worker_;
  const std::uint16_t kind_;
  ring::SlotPool<Inquiry> inquiries_;
  std::size_t count_ = 0;  // begun and not freed
};

}  // namespace kferry::proxy
