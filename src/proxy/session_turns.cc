// When a session's dial takes its turn: a client waits for its broker while that is down, and behind a stand-in that
// has refused it. Documented in proxy/reach.h and proxy/pacing.h.
//
//   broker up                        dialled at once
//   down, the first stand-in         at once: bootstrapping is never held
//   down, a stand-in has refused     waits as proxy/pacing.h says, then meets the stand-in
//   a place that never answers       waits as proxy/loop_guard.h says
//   down, nothing else to dial       waits for Reach::wait_max, then the dial has failed
//
// A client that waits is in the broker's queue: it dials when its turn comes, or at once when another client has
// reached the broker.
#include <algorithm>

#include "proxy/dial_plan.h"
#include "proxy/reports.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {

using Turn = connection::Dialler::Host::Turn;

// By which clients are told apart where a stand-in has refused them.
std::string Session::pacing_key() const {
  return client_address_.host_text() + " " + std::to_string(port_->address.port()) + " " +
         std::string(client_id_.view());
}

// What is dialled, in order. Where the port's broker is down and nothing else could be dialled, the plan is that
// broker.
std::vector<connection::Candidate> Session::plan_dial() {
  ClusterState& cluster = view_->cluster(port_->cluster);
  const Instant now = worker_.now();
  // Ports are spread over the bootstrap servers; where all brokers share one port, its connections are.
  const std::size_t first =
      listener().sni ? static_cast<std::size_t>(worker_.random(1'000'000)) : port_->port_index;
  const auto& servers = cluster_config().upstream.bootstrap_servers;
  const std::vector<HostPort> failed = cluster.failed_places.lately(now);
  // In doubt, another cluster may have taken every learnt address, and none of them counts as a bootstrap server.
  if (cluster.topology.in_doubt(now)) return dial_plan({}, {}, false, first, servers, failed);
  const Snapshot& snapshot = view_->snapshot(port_->cluster);
  admitted_ = owner();
  if (!admitted_) return dial_plan(snapshot, {}, false, first, servers, failed);
  // It queues once it has to wait.
  admission_ = cluster.topology.admit_dial(*admitted_, now, nullptr).admission;
  const bool may_dial = admission_ != Reach::Admission::wait;
  auto plan = dial_plan(snapshot, admitted_, may_dial, first, servers, failed);
  if (!plan.empty()) return plan;
  turn_until_ = now + Reach::wait_max;
  return own_candidates(snapshot, *admitted_);
}

Turn Session::turn_of(const connection::Candidate& candidate) {
  using What = Turn::What;
  const Instant now = worker_.now();
  if (loop_polls_ < LoopGuard::polls_max) {
    const HostPort place = canonical(candidate.address.host, candidate.address.port);
    ClusterState& cluster = view_->cluster(port_->cluster);
    const LoopGuard::Pause pause = worker_.runtime().loops.pause(place, cluster.name, now);
    if (pause.news) report_unanswered(cluster, place, worker_.runtime().log);
    if (pause.wait > Duration::zero()) {
      ++loop_polls_;
      return {.what = What::wait, .wait = pause.wait};
    }
  }
  const bool own = admitted_ && candidate.node == admitted_;
  if (!admitted_ || (own && admission_ != Reach::Admission::wait)) return {};
  if (!own && !paced_) {
    paced_ = true;
    const auto pause = worker_.runtime().stand_ins.admit(pacing_key(), now);
    if (!pause) {
      fail(Severity::warning, "stand_in_paced",
           "broker " + std::to_string(number(*admitted_)) + " of " + place_text() +
               " cannot be reached, and a stand-in has refused this client lately: it tries more often than "
               "twice a second, so it is closed, as a dead broker would; see why the broker is down");
      return {.what = What::ended};
    }
    if (*pause == Duration::zero()) return {};
    turn_until_ = now + *pause;
  }
  Topology& topology = view_->cluster(port_->cluster).topology;
  Instant until = turn_until_;
  bool may_dial = false;
  if (admission_ == Reach::Admission::wait) {
    const Reach::Turn turn = topology.admit_dial(*admitted_, now, this);
    admission_ = turn.admission;
    may_dial = admission_ != Reach::Admission::wait;
    if (turn.next > now) until = std::min(until, turn.next);
  } else {
    may_dial = topology.reached(*admitted_);
  }
  if (may_dial) {
    if (own) return {};
    return {.what = What::first, .candidates = own_candidates(view_->snapshot(port_->cluster), *admitted_)};
  }
  if (now < turn_until_) return {.what = What::wait, .wait = until - now};
  end_admission();
  return {.what = own ? What::skip : What::dial};
}

// Leaves the broker's queue, or gives up the turn to probe it, if it has either.
void Session::end_admission() {
  if (!admitted_) return;
  Topology& topology = view_->cluster(port_->cluster).topology;
  if (admission_ == Reach::Admission::probe) topology.dial_abandoned(*admitted_, worker_.now());
  if (admission_ == Reach::Admission::wait) topology.leave_queue(*admitted_, this, worker_.now());
  admission_ = Reach::Admission::open;
}

}  // namespace kferry::proxy
