#include "proxy/broker_dial.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using Turn = connection::Dialler::Host::Turn;

// A dial that failed quickly is repeated once, 50 to 100 ms later.
constexpr milliseconds retry_after(50);
constexpr milliseconds retry_spread(50);

connection::Dialler::Timeouts timeouts_of(Worker& worker, const config::Cluster& cluster) {
  return {.connect = milliseconds(worker.limits().upstream_connect_timeout_ms),
          .handshake = milliseconds(worker.limits().tls_handshake_timeout_ms),
          .retry = retry_after + retry_spread * worker.random(1000) / 1000,
          .budget = milliseconds(cluster.upstream.dial_budget_ms)};
}

}  // namespace

BrokerDial::BrokerDial(Host& host, Worker& worker, const ClusterLink& link, connection::Leg& broker,
                       ring::Token first)
    : host_(host),
      worker_(worker),
      link_(link),
      place_(link.place()),
      first_(first),
      leg_(broker.id()),
      dialler_(*this, broker, worker.legs(), worker.kernel_tls(),
               timeouts_of(worker, place_.cluster_config()), first, &worker.runtime().addresses),
      began_(worker.now()) {}

void BrokerDial::Free::operator()(BrokerDial* dial) const {
  dial->worker_.dial_memory().destroy(dial);
}

void BrokerDial::start() {
  place_.cluster().dialled.store(true, std::memory_order_relaxed);
  if (const auto context = client_context(); !context) {
    outcome_ = DialOutcome::unreachable;
    count(place_.owner(), outcome_);
    return host_.on_not_dialled(
        Severity::error, "upstream_tls_unusable",
        "no broker can be dialled, since the upstream's TLS cannot be used: " + context.error());
  }
  auto candidates = plan();
  hurry_stand_ins(candidates, admitted_);
  dialler_.start(std::move(candidates));
}

void BrokerDial::close() {
  if (outcome_ == DialOutcome::end_) count(place_.owner(), DialOutcome::abandoned);
  outcome_ = DialOutcome::abandoned;
  end_admission();
  dialler_.close();
}

// Where the place's broker is down and nothing else could be dialled, the plan is that broker.
std::vector<connection::Candidate> BrokerDial::plan() {
  ClusterState& cluster = place_.cluster();
  const Instant now = worker_.now();
  // Ports are spread over the bootstrap servers; where all brokers share one port, its connections are.
  const std::size_t first =
      place_.listener().sni ? static_cast<std::size_t>(worker_.random(1'000'000)) : place_.port().port_index;
  const auto& servers = place_.cluster_config().upstream.bootstrap_servers;
  const std::vector<HostPort> failed = cluster.failed_places.lately(now);
  // In doubt, another cluster may have taken every learnt address, and none of them counts as a bootstrap server.
  if (cluster.topology.in_doubt(now)) return dial_plan({}, {}, false, first, servers, failed);
  const Snapshot& snapshot = place_.snapshot();
  admitted_ = place_.owner();
  if (!admitted_) return dial_plan(snapshot, {}, false, first, servers, failed);
  // It queues once it has to wait.
  admission_ = cluster.topology.admit_dial(*admitted_, now, nullptr).admission;
  const bool may_dial = admission_ != Reach::Admission::wait;
  auto candidates = dial_plan(snapshot, admitted_, may_dial, first, servers, failed);
  if (!candidates.empty()) return candidates;
  turn_until_ = now + Reach::wait_max;
  return own_candidates(snapshot, *admitted_);
}

// --- turns

Turn BrokerDial::turn_of(const connection::Candidate& candidate) {
  if (const std::optional<Duration> pause = loop_pause(candidate))
    return {.what = Turn::What::wait, .wait = *pause};
  const bool own = admitted_ && candidate.node == admitted_;
  if (!admitted_ || (own && admission_ != Reach::Admission::wait)) return {};
  if (!own && std::exchange(pace_, Pace::asked) == Pace::not_asked) {
    if (std::optional<Turn> turn = stand_in_pause()) return std::move(*turn);
  }
  return own_turn(own);
}

// How long the dial waits before a place that never answers.
std::optional<Duration> BrokerDial::loop_pause(const connection::Candidate& candidate) {
  if (loop_polls_ == LoopGuard::polls_max) return std::nullopt;
  const HostPort place = canonical(candidate.address.host, candidate.address.port);
  ClusterState& cluster = place_.cluster();
  const LoopGuard::Pause pause = worker_.runtime().loops.pause(place, cluster.name, worker_.now());
  if (pause.news) report_unanswered(cluster, place, worker_.runtime().log);
  if (pause.wait == Duration::zero()) return std::nullopt;
  ++loop_polls_;
  return pause.wait;
}

// Before the first stand-in. nullopt: the client waits until turn_until_.
std::optional<Turn> BrokerDial::stand_in_pause() {
  const auto pause = worker_.runtime().stand_ins.admit(link_.pacing_key(), worker_.now());
  if (!pause) {
    host_.on_not_dialled(
        Severity::warning, "stand_in_paced",
        "broker " + std::to_string(number(*admitted_)) + " of " + place_.text() +
            " cannot be reached, and a stand-in has refused this client lately: it tries more often than "
            "twice a second, so it is closed, as a dead broker would; see why the broker is down");
    return Turn{.what = Turn::What::ended};
  }
  if (*pause == Duration::zero()) return Turn{};
  turn_until_ = worker_.now() + *pause;
  return std::nullopt;
}

// Until turn_until_ the place's broker comes first, as soon as it may be dialled. `own`: it is the candidate.
Turn BrokerDial::own_turn(bool own) {
  const Instant now = worker_.now();
  Topology& topology = place_.topology();
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
    return {.what = Turn::What::first, .candidates = own_candidates(place_.snapshot(), *admitted_)};
  }
  if (now < turn_until_) return {.what = Turn::What::wait, .wait = until - now};
  end_admission();
  return {.what = own ? Turn::What::skip : Turn::What::dial};
}

// Leaves the broker's queue, or gives up the turn to probe it, if it has either.
void BrokerDial::end_admission() {
  if (!admitted_) return;
  if (admission_ == Reach::Admission::probe) place_.topology().dial_abandoned(*admitted_, worker_.now());
  if (admission_ == Reach::Admission::wait) place_.topology().leave_queue(*admitted_, this, worker_.now());
  admission_ = Reach::Admission::open;
}

// --- what the dialler asks

void BrokerDial::resolve(const HostPort& where) {
  worker_.resolve(first_.slot, where);
}

void BrokerDial::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (!dialler_.candidate().node) place_.cluster().note_bootstrap_addresses(addresses);
  dialler_.on_resolved(std::move(addresses), error);
}

std::string_view BrokerDial::why_not_dialled(const connection::Candidate& candidate,
                                             const SocketAddress& address, const SocketAddress& from) {
  return proxy::why_not_dialled(worker_.runtime(), place_.cluster(), candidate, address, worker_.now(), from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> BrokerDial::client_context() {
  return place_.view().upstream_context(place_.port().cluster);
}

void BrokerDial::on_dial_starved() {
  worker_.starve(leg_);
}

// --- outcomes

void BrokerDial::on_candidate_failed(const connection::Candidate& candidate, const std::string& tried) {
  worker_.doubt_name(candidate.address.host);
  const std::string_view of_candidate = std::string_view(tried).substr(tried_before_);
  tried_before_ = tried.size();
  count(candidate.node, DialOutcome::unreachable);
  if (dialler_.last().step == connection::Attempt::Step::handshake)
    worker_.counters().handshakes.count_failed(HandshakeCounters::broker);
  ClusterState& cluster = place_.cluster();
  Topology& topology = cluster.topology;
  cluster.failed_places.failed(candidate.address, worker_.now());
  if (!candidate.node) return;
  // One that was hurried may only be slow.
  if (candidate.patience < Duration::max() && dialler_.last().error == ETIMEDOUT) return;
  // A broker that refuses by a limit of its own is alive.
  if (dialler_.last().unheard && topology.answers(*candidate.node, candidate.address)) {
    report_limited(cluster, *candidate.node, candidate.address, worker_.runtime().log);
    if (candidate.node == admitted_) end_admission();
    return;
  }
  // The other brokers are stand-ins, and their own ports report them.
  const std::optional<NodeId> own = place_.owner();
  if (!own || own == candidate.node)
    report_unreachable(cluster, *candidate.node, of_candidate, worker_.now(), worker_.runtime().log);
  if (candidate.node == admitted_) admission_ = Reach::Admission::open;
  topology.dial_failed(*candidate.node, worker_.now());
  topology.broken(*candidate.node, candidate.address, Topology::Break::not_connected,
                  link_.teacher().client(), worker_.now());
  worker_.want_discovery(cluster);
}

void BrokerDial::on_not_dialled(int local_error) {
  end_admission();
  outcome_ = local_error != 0       ? DialOutcome::host_lacks
             : dialler_.cut_short() ? DialOutcome::abandoned
                                    : DialOutcome::unreachable;
  if (outcome_ == DialOutcome::abandoned) count(place_.owner(), outcome_);
  if (local_error != 0) {
    count(place_.owner(), outcome_);
    // What this host lacks says nothing about the broker: no stand-in, no failure of the broker's.
    return host_.on_not_dialled(Severity::error, "dial_failed",
                                "cannot dial a broker: " + lack_text(local_error));
  }
  std::string tried = shown_attempts(dialler_.tried());
  if (tried.empty()) {
    tried = " nothing: the only broker could not be reached a moment ago, and is dialled once a second";
  }
  if (dialler_.cut_short()) {
    return host_.on_not_dialled(Severity::info, "dial_abandoned",
                                "the client left while no broker of cluster " + place_.cluster_config().name +
                                    " could be reached: tried" + tried);
  }
  // Failures of TLS and of configuration have brought their own remedies.
  const std::string_view remedy =
      dialler_.network_failed() ? ": check the bootstrap servers, DNS and the network from this host" : "";
  host_.on_not_dialled(Severity::error, "upstream_unreachable",
                       "no broker of cluster " + place_.cluster_config().name + " could be reached: tried" +
                           tried + std::string(remedy));
}

void BrokerDial::on_dialled(const connection::Candidate& candidate) {
  place_.cluster().failed_places.answered(candidate.address);
  if (candidate.node) {
    place_.topology().dial_succeeded(*candidate.node);
    report_reached(place_.cluster(), *candidate.node, candidate.address, worker_.now(),
                   worker_.runtime().log);
  }
  if (candidate.node == admitted_) admission_ = Reach::Admission::open;
  end_admission();
  outcome_ = DialOutcome::connected;
  count(candidate.node, outcome_);
  place_.cluster_counters().dial_duration.add(worker_.now() - began_);
  host_.on_dialled(candidate);
}

}  // namespace kferry::proxy
