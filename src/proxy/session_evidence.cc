// What a session tells the topology about the broker that it is connected to, and how it learns which one that is.
// Documented in proxy/session.h.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "proxy/reports.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

// The topology hears of a connection's answers at most this often, so that a busy one costs nothing and yet counts.
constexpr Duration answer_interval = seconds(10);
static_assert(answer_interval < Topology::answered_recently);
// More names are not resolved to learn who answers at a bootstrap server.
constexpr std::size_t names_max = 64;

}  // namespace

Teacher Session::teacher() const {
  Teacher teacher;
  teacher.client_address = &client_address_;
  teacher.client_id = client_id_.view();
  teacher.server = dialled_;
  teacher.bootstrap = origin_.bootstrap;
  return teacher;
}

void Session::note_answer() {
  if (heard_at_ < note_answers_at_) return;
  if ((!node_ && !unanswered_) || !response_walker_.answered()) return;
  if (std::exchange(unanswered_, false))
    worker_.runtime().loops.answered(canonical(dialled_.host, dialled_.port));
  if (!node_) return;
  note_answers_at_ = heard_at_ + answer_interval;
  view_->cluster(port_->cluster).topology.answered(*node_, dialled_, heard_at_);
}

// The broker, not the client, ended this connection, or never answered on it.
void Session::note_broken() {
  if (std::exchange(broken_noted_, true)) return;
  worker_.doubt_name(dialled_.host);
  if (!node_) return;
  const Topology::Break how =
      response_walker_.answered() ? Topology::Break::cut : Topology::Break::unanswered;
  limited_ = how == Topology::Break::unanswered && always_answered() &&
             view_->cluster(port_->cluster).topology.answers(*node_, dialled_, worker_.now());
  if (limited_) report_limited(view_->cluster(port_->cluster), *node_, dialled_, worker_.runtime().log);
  view_->cluster(port_->cluster).topology.broken(*node_, dialled_, how, teacher().client(), worker_.now());
}

// Whether the first request is one that a broker answers whatever is in it, so that the client did not provoke the end.
bool Session::always_answered() const {
  if (conversation_.empty()) return false;
  const ApiKey key = conversation_.front().key;
  return key == kafka::api_versions_key || key == kafka::sasl_handshake_key;
}

// A client that named another cluster or broker would only have itself to blame.
void Session::denied(CorrelationId request) {
  if (!node_ || exactly_asked_ != request) return;
  ClusterState& cluster = view_->cluster(port_->cluster);
  report_denied(cluster, *node_, dialled_, worker_.runtime().log);
  cluster.topology.denied(*node_, dialled_, worker_.now());
  broken_noted_ = true;
  note_answers_at_ = Instant::max();  // the broker here is another one
  worker_.doubt_name(dialled_.host);
  worker_.want_discovery(view_->cluster(port_->cluster));
}

// --- who answers

// By name: the address that was dialled is a listed broker's. Where several brokers share it, as behind a balancer, the
// port's own is as good as any.
void Session::identify() {
  if (state_ != State::open || node_) return;
  const Snapshot& snapshot = view_->snapshot(port_->cluster);
  const HostPort here = canonical(dialled_.host, dialled_.port);
  const std::optional<NodeId> own = owner();
  const Node* node = own ? snapshot.find(*own) : nullptr;
  if (node == nullptr || node->address != here || !node->dialable()) node = snapshot.at(here);
  if (node == nullptr) return;
  node_ = node->id;
  dialled_ = here;
}

// By address, on a plaintext upstream: exactly one listed broker's name leads to the address that was dialled. With TLS
// the name is what a connection proves, and behind an ingress all brokers share one address. True: names are being
// resolved, and the judge is asked again when they are.
bool Session::identify_by_address() {
  if (identifying_ && !identifying_->left.empty()) return true;
  if (identifying_ || node_ || cluster_config().upstream.tls) return false;
  identifying_ = std::make_unique<Identification>();
  identifying_->here = worker_.ring().remote_address(broker_.socket());
  for (const Node& node : view_->snapshot(port_->cluster).nodes) {
    if (!node.listed || node.address.port != identifying_->here.port()) continue;
    if (identifying_->left.size() == names_max) {
      identifying_->left.clear();
      return false;
    }
    identifying_->left.push_back(node);
  }
  if (identifying_->left.empty()) return false;
  resolve_next_name();
  return true;
}

void Session::resolve_next_name() {
  worker_.resolve(slot_, identifying_->left.back().address);
}

void Session::on_name_resolved(const std::vector<SocketAddress>& addresses) {
  KFERRY_ASSERT(identifying_ && !identifying_->left.empty());
  Identification& names = *identifying_;
  if (std::ranges::find(addresses, names.here) != addresses.end())
    names.found.push_back(names.left.back().id);
  // Without an answer, this name might have been another match.
  const bool unknown = addresses.empty();
  names.left.pop_back();
  if (unknown) {
    names.left.clear();
    names.found.clear();
  }
  if (!names.left.empty()) return resolve_next_name();
  if (names.found.size() == 1) {
    const Node* node = view_->snapshot(port_->cluster).find(names.found.front());
    if (node != nullptr) {
      node_ = node->id;
      dialled_ = node->address;
    }
  }
  pump();
}

}  // namespace kferry::proxy
