// A session's rules: which certificate its client is shown, which broker its port leads to, and which requests may go
// to the broker that answers there. Documented in proxy/session.h.
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "kafka/api_keys.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// Stand-ins are replaced over this long, so that clients do not reconnect all at once.
constexpr milliseconds retire_spread(5'000);
// A dial that failed quickly is repeated once, 50 to 100 ms later.
constexpr milliseconds retry_after(50);
constexpr milliseconds retry_spread(50);
// As much of a client id as distinguishes clients, and as messages show.
constexpr std::size_t client_id_kept_max = 64;

}  // namespace

// --- the client's TLS

std::unique_ptr<connection::Transport> Session::client_transport() {
  if (!listener().tls) return nullptr;
  // The context is chosen when the ClientHello has arrived: a certificate renewed meanwhile is the one to show.
  auto engine = tls::Engine::server([this](std::string_view name) { return choose_context(name); });
  return connection::make_tls_transport(worker_.ring(), Remote::client, std::move(engine), client_.socket(),
                                        worker_.kernel_tls());
}

// Null: no listener here has the name.
tls::Engine::Chosen Session::choose_context(std::string_view server_name) {
  const PortEntry* named = port_;
  if (listener().sni) {
    const auto target = view_->plan().find(*port_, server_name);
    if (!target) return std::shared_ptr<const tls::ServerContext>();
    named = target->port;
    named_ = target->node;
  }
  if (named->cluster != port_->cluster)
    conversation_.set_policy(view_->plan().clusters()[named->cluster].policy);
  port_ = named;
  certificates::Usable<tls::ServerContext> usable = view_->server_context(port_->cluster, port_->listener);
  if (usable.context != nullptr) return std::move(usable.context);
  return Failure{"no_usable_certificate",
                 "listener " + listener().name + " has no certificate that it can serve: " + usable.why_not};
}

// --- where the port leads

// The node that the port belongs to, or that the client asked for by name; the bootstrap name belongs to no node.
std::optional<NodeId> Session::owner() const {
  if (listener().sni) {
    const bool known = named_ && view_->snapshot(port_->cluster).find(*named_) != nullptr;
    return known ? named_ : std::nullopt;
  }
  return view_->routes(port_->listener_index).owner(port_->port_index);
}

std::optional<NodeId> Session::proven() {
  if (!node_) identify();
  return node_;
}

// Whether the broker of this connection may be asked for anything: it is the owner, or any broker was asked for and it
// is known which one this is.
bool Session::in_place() {
  const std::optional<NodeId> here = proven();
  if (listener().sni && !named_) return here.has_value();
  return here && here == owner();
}

// What the client came to, for messages.
std::string Session::place_text() const {
  const std::optional<config::SniNames>& sni = listener().sni;
  if (sni) return named_ ? sni->host_of(*named_) : sni->bootstrap;
  return "port " + std::to_string(port_->address.port());
}

// --- dialling

void Session::dial() {
  KFERRY_ASSERT(state_ == State::accepted && dial_ == nullptr);
  state_ = State::dialling;
  wait_ = Wait::none;
  ClusterState& cluster = view_->cluster(port_->cluster);
  cluster.dialled.store(true, std::memory_order_relaxed);
  if (const auto context = client_context(); !context) {
    return fail(Severity::error, "upstream_tls_unusable",
                "no broker can be dialled, since the upstream's TLS cannot be used: " + context.error());
  }
  connection::Dialler::Host& host = *this;
  tried_before_ = 0;
  unreachable_reported_ = false;
  dial_ = std::make_unique<connection::Dialler>(
      host, broker_, worker_.legs(), worker_.kernel_tls(),
      connection::Dialler::Timeouts{milliseconds(worker_.limits().upstream_connect_timeout_ms),
                                    milliseconds(worker_.limits().tls_handshake_timeout_ms),
                                    retry_after + retry_spread * worker_.random(1000) / 1000,
                                    milliseconds(cluster_config().upstream.dial_budget_ms)},
      ring::Token{slot_, generation_, dial_kind}, &worker_.runtime().addresses);
  dial_->start(plan_dial());
}

void Session::resolve(const HostPort& where) {
  worker_.resolve(slot_, where);
}

void Session::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (state_ == State::open && identifying_) return on_name_resolved(addresses);
  if (state_ != State::dialling) return;
  if (!dial_->candidate().node) view_->cluster(port_->cluster).note_bootstrap_addresses(addresses);
  dial_->on_resolved(std::move(addresses), error);
}

std::string_view Session::why_not_dialled(const connection::Candidate& candidate,
                                          const SocketAddress& address, const SocketAddress& from) {
  return proxy::why_not_dialled(worker_.runtime(), view_->cluster(port_->cluster), candidate, address,
                                worker_.now(), from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> Session::client_context() {
  return view_->upstream_context(port_->cluster);
}

void Session::set_dial_deadline(Duration in) {
  set_deadline(Wait::dial, in);
}

void Session::clear_dial_deadline() {
  if (wait_ == Wait::dial) wait_ = Wait::none;
}

void Session::on_dial_starved() {
  worker_.starve(broker_.id());
}

void Session::on_candidate_failed(const connection::Candidate& candidate, const std::string& tried) {
  worker_.doubt_name(candidate.address.host);
  const std::string_view of_candidate = std::string_view(tried).substr(tried_before_);
  tried_before_ = tried.size();
  ClusterState& cluster = view_->cluster(port_->cluster);
  Topology& topology = cluster.topology;
  cluster.failed_places.failed(candidate.address, worker_.now());
  if (!candidate.node) return;
  // A broker that refuses by a limit of its own is alive.
  if (dial_->last().unheard && topology.answers(*candidate.node, candidate.address, worker_.now())) {
    report_limited(cluster, *candidate.node, candidate.address, worker_.runtime().log);
    if (candidate.node == admitted_) end_admission();
    return;
  }
  // One line per dial. The other brokers are stand-ins, and their own ports report them.
  const std::optional<NodeId> own = owner();
  if (own ? own == candidate.node : !unreachable_reported_) {
    report_unreachable(cluster, *candidate.node, of_candidate, worker_.runtime().log);
    unreachable_reported_ = true;
  }
  if (candidate.node == admitted_) admission_ = Reach::Admission::open;
  topology.dial_failed(*candidate.node, worker_.now());
  topology.broken(*candidate.node, candidate.address, Topology::Break::not_connected, teacher().client(),
                  worker_.now());
  worker_.want_discovery(cluster);
}

void Session::on_not_dialled(int local_error) {
  KFERRY_ASSERT(state_ == State::dialling);
  end_admission();
  if (local_error != 0) {
    // What this host lacks says nothing about the broker: no stand-in, no failure of the broker's.
    return fail(Severity::error, "dial_failed", "cannot dial a broker: " + lack_text(local_error));
  }
  std::string tried = shown_attempts(dial_->tried());
  if (tried.empty()) {
    tried = " nothing: the only broker could not be reached a moment ago, and is dialled once a second";
  }
  // Failures of TLS and of configuration have brought their own remedies.
  const std::string_view remedy =
      dial_->network_failed() ? ": check the bootstrap servers, DNS and the network from this host" : "";
  fail(Severity::error, "upstream_unreachable",
       "no broker of cluster " + cluster_config().name + " could be reached: tried" + tried +
           std::string(remedy));
}

void Session::on_dialled(const connection::Candidate& candidate) {
  KFERRY_ASSERT(state_ == State::dialling);
  view_->cluster(port_->cluster).failed_places.answered(candidate.address);
  state_ = State::open;
  deadline_.cancel();  // an idle session costs no timer
  dialled_ = candidate.address;
  node_ = candidate.node;
  origin_.bootstrap = !candidate.node;
  broker_.set_owner(*this);
  unanswered_ = true;
  worker_.runtime().loops.opened(canonical(dialled_.host, dialled_.port));
  dial_.reset();  // and with it `candidate`
  worker_.set_options(broker_.socket());
  if (node_) view_->cluster(port_->cluster).topology.dial_succeeded(*node_);
  if (node_ == admitted_) admission_ = Reach::Admission::open;
  end_admission();
  worker_.refresh();
  stand_in_ = !in_place();
  pump();
}

// --- rules

kafka::Judgement Session::refuse(std::string text) {
  refusal_ = std::make_unique<std::string>(std::move(text));
  return kafka::Judgement::close;
}

kafka::Judgement Session::judge(const kafka::Request& request) {
  if (phase_ != Phase::serving) return kafka::Judgement::wait;
  if (request.own_answer) return kafka::Judgement::forward;
  if (state_ == State::accepted) {
    if (returns_to_kferry(worker_.runtime(), request.client_id, worker_.now())) {
      abort();
      return kafka::Judgement::wait;
    }
    client_id_ = request.client_id.substr(0, client_id_kept_max);
    dial();
  }
  if (state_ != State::open) return kafka::Judgement::wait;
  if (conversation_.empty()) heard_at_ = worker_.now();
  const std::optional<NodeId> here = proven();
  const std::optional<NodeId> own = owner();
  if (stand_in_ && in_place()) stand_in_ = false;
  if (request.asked_node && here != request.asked_node) {
    return refuse("the client asks for broker " + std::to_string(number(*request.asked_node)) + " on " +
                  place_text() + ", where " +
                  (here ? "broker " + std::to_string(number(*here)) : "a bootstrap server") +
                  " answers now: closed, as a dead broker would");
  }
  const std::string& cluster_id = view_->snapshot(port_->cluster).cluster_id;
  if (request.asked_node && !cluster_id.empty() && request.asked_cluster == cluster_id)
    exactly_asked_ = request.correlation_id;
  const auto served = own ? stand_in_serves : any_broker_serves;
  if (stand_in_ && !request.raw_token && !served(request.key)) {
    if (identify_by_address() || wait_for_map()) return kafka::Judgement::wait;
    const bool bootstrap = listener().sni && !named_;
    const bool late = own && question_ == Question::over;
    if (!late) worker_.runtime().stand_ins.refused(pacing_key(), worker_.now());
    return refuse(
        (late ? "broker " + std::to_string(number(*own)) + " of " + place_text() +
                    " has become known since another broker was dialled"
         : own       ? "broker " + std::to_string(number(*own)) + " of " + place_text() + " cannot be reached"
         : bootstrap ? "which broker answers for " + place_text() + " is not known yet"
                     : "no broker is known for " + place_text()) +
        ": a stand-in serves bootstrap only, so the client's " + std::string(kafka::api_name(request.key)) +
        " is refused and its connection closed, as if this broker were down");
  }
  return kafka::Judgement::forward;
}

bool Session::learn(const kafka::BrokerList& list) {
  note_answer();  // the broker that gives this list is alive
  const Topology::Lesson lesson =
      view_->cluster(port_->cluster).topology.learn(list, origin_, teacher(), worker_.now());
  worker_.refresh();
  if (question_ != Question::none && question_ != Question::over) end_question();
  if (lesson != Topology::Lesson::learnt) worker_.want_discovery(view_->cluster(port_->cluster));
  return lesson != Topology::Lesson::other_cluster;
}

std::optional<HostPort> Session::advertised(NodeId id) {
  return view_->routes(port_->listener_index).advertised(id);
}

bool Session::leaves_out() {
  return view_->routes(port_->listener_index).leaves_out();
}

void Session::left_out(ApiKey source, NodeId id) {
  report_left_out(view_->cluster(port_->cluster), listener(), source, id, worker_.runtime().log);
}

void Session::hidden_api(ApiKey key) {
  report_hidden_api(view_->cluster(port_->cluster), key, worker_.runtime().log);
}

void Session::deviates(ApiKey source, kafka::Deviation how) {
  report_deviation(view_->cluster(port_->cluster), dialled_, source, how, worker_.runtime().log);
}

void Session::reconsider() {
  if (state_ == State::dialling && phase_ == Phase::serving && dial_ != nullptr) return dial_->ask_again();
  if (state_ != State::open || phase_ != Phase::serving || wait_ == Wait::retire) return;
  if (question_ == Question::waiting) {
    pump();  // the map may be known now, or it is this session's turn to ask
    if (state_ != State::open || phase_ != Phase::serving) return;
  }
  const std::optional<NodeId> own = owner();
  if (!own) return;
  const bool right = proven() == own;
  if (stand_in_) {
    if (right) {
      stand_in_ = false;
    } else if (view_->cluster(port_->cluster).topology.reached(*own)) {
      retire();
    }
  } else if (!right) {
    retire();
  }
}

// After a random delay, so that clients do not reconnect all at once.
void Session::retire() {
  if (client_.shut() || phase_ == Phase::delivering) return;
  set_deadline(Wait::retire, retire_spread * worker_.random(1000) / 1000);
}

}  // namespace kferry::proxy
