// The plan in force, and the move from it to the next one while the workers run.
//
//   propose() ─▶ waiting ─begin()─▶ moving ─publish()─▶ published ─note_moved() of every worker─▶ success
//                   │                  └──refuse(): nothing has changed─▶ error
//                   └──a later proposal takes its place, it is withdrawn, or kferry stops─▶ error
//
// The first worker begins a move, opens the sockets that the next plan adds, and publishes the plan. Each worker then
// moves at the top of its next turn; what began under the former plan stays with that one. One move at a time: a
// proposal waits until the present move is done.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "certificates/tls_contexts.h"
#include "proxy/live_plan.h"
#include "proxy/plan.h"

namespace kferry::proxy {

class PlanMoves {
 public:
  struct Proposal {
    std::shared_ptr<const Plan> plan;
    // Loaded; where any listener or upstream of the plan has TLS.
    std::shared_ptr<const certificates::TlsContexts> tls;
  };
  // The error says what is wrong and what to do; the plan before is then still in force.
  using Outcome = std::expected<void, std::string>;

  // `wake` wakes the workers. It is called under the lock, while the first worker runs, and must not call back.
  PlanMoves(std::shared_ptr<const LivePlan> first, std::function<void()> wake);

  std::shared_ptr<const LivePlan> current() const;
  // Changes when a worker has something to do here. Cheap enough to be read in every turn.
  std::uint64_t news() const { return news_.load(std::memory_order_acquire); }

  // The outcome is there once every worker has moved and the sockets that the plan lacks are closed.
  std::future<Outcome> propose(Proposal proposal);
  // The proposal that waits, because the first worker does not turn or another move is pending, fails for this reason.
  // False: none waits; what was published stays in force.
  bool withdraw(std::string why);

  // --- the first worker
  // The proposal that waits, unless a move is under way: it is now. refuse() or publish() follows.
  std::optional<Proposal> begin();
  void refuse(std::string why);
  // `workers`: how many call note_moved().
  void publish(std::shared_ptr<const LivePlan> live, std::size_t workers);
  // It stops: what was proposed, or is proposed later, fails.
  void stop();

  // --- each worker, once it has moved to the current plan
  void note_moved();

 private:
  struct Waiting {
    Proposal proposal;
    std::promise<Outcome> outcome;
  };

  void tell();
  void end_move(Outcome outcome);

  const std::function<void()> wake_;
  std::atomic<std::uint64_t> news_ = 0;
  mutable std::mutex mutex_;  // held briefly
  std::shared_ptr<const LivePlan> current_;
  std::optional<Waiting> waiting_;
  std::optional<std::promise<Outcome>> moving_;
  std::size_t to_move_ = 0;  // workers, after publish()
  bool stopped_ = false;
};

}  // namespace kferry::proxy
