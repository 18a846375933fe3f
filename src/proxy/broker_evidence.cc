#include "proxy/broker_evidence.h"

#include <utility>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "proxy/reports.h"

namespace kferry::proxy {
namespace {

// Whether a broker answers the first unanswered request, so that the client did not provoke the end. Where SASL comes
// first, it ends the connections of clients that begin with anything else.
bool is_answered(const kafka::Conversation& conversation, bool sasl_first) {
  if (conversation.empty()) return false;
  const ApiKey key = conversation.front().key;
  return !sasl_first || key == kafka::api_versions_key || key == kafka::sasl_handshake_key;
}

}  // namespace

void BrokerEvidence::opened(const connection::Candidate& broker, LoopGuard& loops) {
  dialled_ = broker.address;
  node_ = broker.node;
  origin_.bootstrap = !broker.node;
  heard_ = Heard::nothing;
  loops.opened(canonical(dialled_.host, dialled_.port));
}

// --- who answers

void BrokerEvidence::identify(const Snapshot& snapshot, std::optional<NodeId> own) {
  if (node_) return;
  const HostPort here = canonical(dialled_.host, dialled_.port);
  const Node* node = own ? snapshot.find(*own) : nullptr;
  if (node == nullptr || node->address != here || !node->dialable()) node = snapshot.at(here);
  if (node == nullptr) return;
  node_ = node->id;
  dialled_ = here;
}

void BrokerEvidence::search(const SocketAddress& here, const Snapshot& snapshot) {
  KFERRY_ASSERT(may_search());
  search_ = std::make_unique<NameSearch>(here, snapshot.nodes);
}

void BrokerEvidence::on_resolved(std::span<const SocketAddress> addresses, const Snapshot& snapshot) {
  KFERRY_ASSERT(searching());
  search_->on_resolved(addresses);
  if (searching()) return;
  const std::optional<NodeId> found = search_->found();
  const Node* node = found ? snapshot.find(*found) : nullptr;
  if (node == nullptr) return;
  node_ = node->id;
  dialled_ = node->address;
}

// --- what is proven

Teacher BrokerEvidence::teacher(const SocketAddress& client_address, std::string_view client_id) const {
  Teacher teacher;
  teacher.client_address = &client_address;
  teacher.client_id = client_id;
  teacher.server = dialled_;
  teacher.bootstrap = origin_.bootstrap;
  return teacher;
}

void BrokerEvidence::note_answer(Instant heard_at, const Listeners& to) {
  if (heard_ == Heard::nothing) {
    heard_ = Heard::answered;
    to.loops.answered(canonical(dialled_.host, dialled_.port));
  }
  if (!node_) return;
  note_answers_at_ = heard_at + answer_interval;
  to.cluster.topology.answered(*node_, dialled_, heard_at);
  if (std::exchange(heard_, Heard::attached) != Heard::attached) to.cluster.topology.attach(*node_, dialled_);
}

void BrokerEvidence::note_broken(const Break& how, const kafka::Conversation& conversation,
                                 std::uint64_t client, Instant now, const Listeners& to) {
  leave(to.cluster.topology);
  if (end_ != End::none) return;
  end_ = End::broken;
  to.doubts.doubt_name(dialled_.host);
  if (!node_) return;
  Topology& topology = to.cluster.topology;
  const bool refused = how.closed && !how.answered && is_answered(conversation, how.sasl_first);
  if (refused && topology.answers(*node_, dialled_)) {
    end_ = End::limited;
    to.loops.answered(canonical(dialled_.host, dialled_.port));  // as it does on other connections
    report_limited(to.cluster, *node_, dialled_, to.log);
  }
  topology.broken(*node_, dialled_, how.answered ? Topology::Break::cut : Topology::Break::unanswered, client,
                  now);
}

void BrokerEvidence::leave(Topology& topology) {
  if (heard_ != Heard::attached) return;
  heard_ = Heard::answered;
  topology.detach(*node_, dialled_);
}

void BrokerEvidence::note_denied(CorrelationId request, Instant now, const Listeners& to) {
  if (!node_ || exactly_asked_ != request) return;
  report_denied(to.cluster, *node_, dialled_, to.log);
  leave(to.cluster.topology);
  to.cluster.topology.denied(*node_, dialled_, now);
  if (end_ == End::none) end_ = End::broken;
  note_answers_at_ = Instant::max();  // the broker here is another one
  to.doubts.doubt_name(dialled_.host);
  to.doubts.want_discovery(to.cluster);
}

}  // namespace kferry::proxy
