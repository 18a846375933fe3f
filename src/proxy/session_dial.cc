// The part of a session that decides whom it is dialled to, dials, and judges each request by who answers there.
// The contract stands in proxy/session.h.
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Stand-ins are replaced over this long, so that clients do not reconnect all at once.
constexpr milliseconds retire_spread(5'000);

}  // namespace

// --- dialling

const config::Listener& Session::listener() const {
  return worker_.cluster(port_->cluster).config.listeners[port_->listener];
}

// Whom the port belongs to, or the name that the client asked for; the bootstrap name is nobody's.
std::optional<NodeId> Session::owner() const {
  if (listener().sni) {
    const bool known = named_ && worker_.snapshot(port_->cluster).find(*named_) != nullptr;
    return known ? named_ : std::nullopt;
  }
  return worker_.routes(port_->listener_index).owner(port_->port_index);
}

std::optional<NodeId> Session::proven() const {
  if (node_) return node_;
  const Node* listed = worker_.snapshot(port_->cluster).at(dialled_);
  return listed != nullptr ? std::optional(listed->id) : std::nullopt;
}

// Whether the broker behind this connection may be asked for anything: it is the owner, or what was asked for is
// just a broker, and it is proven which one this is.
bool Session::in_place() const {
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

void Session::dial() {
  KFERRY_ASSERT(state_ == State::accepted);
  state_ = State::dialling;
  clear_deadline();
  const ClusterState& cluster = worker_.cluster(port_->cluster);
  const std::optional<NodeId> own = owner();
  if (cluster.config.upstream.tls) {
    const auto [context, why_not] = worker_.client_context(port_->cluster);
    if (context == nullptr)
      return fail(Severity::error, "upstream_tls_unusable",
                  "no broker can be dialled, since the upstream's TLS cannot be used: " + why_not);
  }
  dial_ = std::make_unique<Dial>();
  // Ports are spread over the brokers; where all share one, its connections are.
  const std::size_t first =
      listener().sni ? static_cast<std::size_t>(worker_.random(1'000'000)) : port_->port_index;
  if (cluster.topology.in_doubt(worker_.now())) {
    // Another cluster may have taken every learnt address, and none of them counts as a bootstrap server.
    dial_->targets = dial_plan({}, {}, false, first, cluster.config.upstream.bootstrap_servers);
  } else {
    dial_->targets = dial_plan(worker_.snapshot(port_->cluster), own,
                               own && cluster.topology.may_dial(*own, worker_.now()), first,
                               cluster.config.upstream.bootstrap_servers);
  }
  next_target();
}

void Session::next_target() {
  if (dial_->target == dial_->targets.size()) {
    if (dial_->tried.empty()) {
      dial_->tried =
          " nothing: the only broker could not be reached a moment ago, and is dialled again within " +
          std::to_string(std::chrono::duration_cast<seconds>(Topology::backoff_max).count()) + " s";
    }
    fail(Severity::error, "upstream_unreachable",
         "no broker of cluster " + worker_.cluster(port_->cluster).config.name + " could be reached: tried" +
             dial_->tried +
             // Failures of TLS and of configuration have brought their own remedies.
             (dial_->network_failed ? ": check the bootstrap servers, DNS and the network from this host"
                                    : ""));
    return;
  }
  worker_.resolve(slot_, generation_, dial_->targets[dial_->target].address);
}

void Session::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (state_ != State::dialling) return;
  if (addresses.empty()) {
    dial_->tried += " " + to_string(dial_->targets[dial_->target].address) + " (" + error + ")";
    dial_->network_failed = true;
  }
  dial_->addresses = std::move(addresses);
  dial_->address = 0;
  const DialTarget& target = dial_->targets[dial_->target];
  if (!target.node) worker_.note_bootstrap_addresses(port_->cluster, dial_->addresses);
  next_address();
}

void Session::next_address() {
  while (dial_->address < dial_->addresses.size()) {
    const SocketAddress& address = dial_->addresses[dial_->address];
    const bool learnt = dial_->targets[dial_->target].node.has_value();
    const std::string_view why_not =
        worker_.engine().why_not_dialled(worker_.cluster(port_->cluster), address, learnt);
    if (why_not.empty()) {
      const auto opened = worker_.ring().connect(token(Operation::connect), address);
      if (opened.error == 0) {
        broker_.socket = opened.socket;
        connecting_ = true;
        ++outstanding_;
        dial_->timed_out = false;
        set_deadline(Deadline::connect, milliseconds(worker_.limits().upstream_connect_timeout_ms));
        return;
      }
      // What this host lacks says nothing of the broker: no stand-in, no backoff.
      if (const std::string_view remedy = remedy_for_lack(opened.error); !remedy.empty()) {
        fail(
            Severity::error, "dial_failed",
            std::string("cannot dial a broker: ") + std::strerror(opened.error) + ": " + std::string(remedy));
        return;
      }
      dial_->tried += " " + address.text() + " (" + std::strerror(opened.error) + ")";
      dial_->network_failed = true;
    } else {
      dial_->tried += " " + address.text() + " (" + std::string(why_not) + ")";
    }
    ++dial_->address;
  }
  const DialTarget& target = dial_->targets[dial_->target];
  // A node is unreachable once no address of it is left to try.
  const bool more_of_it = dial_->target + 1 < dial_->targets.size() && target.node &&
                          dial_->targets[dial_->target + 1].node == target.node;
  if (target.node && !more_of_it) {
    worker_.note_unreachable(*port_, *target.node, dial_->tried);
    worker_.cluster(port_->cluster).topology.dial_failed(*target.node, worker_.now());
    worker_.want_discovery(port_->cluster);
  }
  ++dial_->target;
  next_target();
}

void Session::on_connected(const ring::Completion& completion) {
  connecting_ = false;
  if (state_ != State::dialling) return;
  clear_deadline();
  const SocketAddress& address = dial_->addresses[dial_->address];
  const bool connected = completion.result >= 0;
  // A host's own addresses change: the kernel tells which one it took for this connection.
  const bool ourselves =
      connected && worker_.engine().is_own(address, worker_.ring().local_address(broker_.socket));
  if (connected && !ourselves) {
    start_tls_with_broker();
    if (broker_.tls == nullptr) open();
    return;
  }
  dial_->network_failed = dial_->network_failed || !connected;
  give_up_address(ourselves          ? own_listener
                  : dial_->timed_out ? "timed out"
                                     : std::strerror(-completion.result));
}

// The connection being made is of no use; on to the next address once the kernel has let go of its socket.
void Session::give_up_address(std::string_view why) {
  if (!dial_->again)
    dial_->tried += " " + dial_->addresses[dial_->address].text() + " (" + std::string(why) + ")";
  dial_->given_up = true;
  if (broker_.receiving) worker_.ring().cancel(token(Operation::broker_receive));
  if (broker_.sending) worker_.ring().cancel(token(Operation::broker_send));
  hear_of_sends();
  leave_address();
}

void Session::leave_address() {
  if (broker_.receiving || broker_.sending) return;
  clear_deadline();
  dial_->given_up = false;
  worker_.ring().close(std::exchange(broker_.socket, ring::Socket::none), true);
  broker_ = Leg{};
  if (!std::exchange(dial_->again, false)) ++dial_->address;
  next_address();
}

void Session::open() {
  clear_deadline();
  if (timer_armed_) worker_.ring().cancel(token(Operation::deadline));  // an idle session costs no timer
  state_ = State::open;
  const DialTarget target = dial_->targets[dial_->target];
  dial_.reset();
  dialled_ = target.address;
  node_ = target.node;
  origin_.bootstrap = !target.node;
  worker_.set_options(broker_.socket);
  if (node_) worker_.cluster(port_->cluster).topology.dial_succeeded(*node_, dialled_);
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
  if (stopping_) return kafka::Judgement::wait;
  if (request.own_answer) return kafka::Judgement::forward;
  if (state_ == State::accepted) dial();
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
  if (stand_in_ && !request.raw_token && !stand_in_serves(request.key)) {
    const bool bootstrap = listener().sni && !named_;
    return refuse(
        (own         ? "broker " + std::to_string(number(*own)) + " of " + place_text() + " cannot be reached"
         : bootstrap ? "which broker answers for " + place_text() + " is not known yet"
                     : "no broker is known for " + place_text()) +
        ": a stand-in serves bootstrap only, so a request with API key " +
        std::to_string(number(request.key)) + " is refused, as a dead broker would");
  }
  return kafka::Judgement::forward;
}

bool Session::learn(const kafka::BrokerList& list) {
  const bool ours = worker_.cluster(port_->cluster).topology.learn(list, origin_, worker_.now());
  worker_.refresh();
  if (!ours) worker_.want_discovery(port_->cluster);
  return ours;
}

std::optional<HostPort> Session::advertised(NodeId id) {
  return worker_.routes(port_->listener_index).advertised(id);
}

void Session::left_out(ApiKey source, NodeId id) {
  worker_.note_left_out(*port_, source, id);
}

void Session::hidden_api(ApiKey key) {
  worker_.note_hidden_api(*port_, key);
}

void Session::reconsider() {
  if (state_ != State::open || stopping_ || deadline_ == Deadline::retire) return;
  const std::optional<NodeId> own = owner();
  if (!own) return;
  const bool right = proven() == own;
  if (stand_in_) {
    if (right) {
      stand_in_ = false;
    } else if (worker_.cluster(port_->cluster).topology.reached(*own)) {
      retire();
    }
  } else if (!right) {
    retire();
  }
}

// The stop itself comes a random while later, so that clients do not reconnect all at once.
void Session::retire() {
  if (client_.fin_sent || delivering_) return;
  set_deadline(Deadline::retire, retire_spread * worker_.random(1000) / 1000);
}

}  // namespace kferry::proxy
