#include "proxy/cluster_link.h"

#include <utility>

#include "config/security_protocol.h"
#include "proxy/reports.h"
#include "proxy/worker.h"

namespace kferry::proxy {

std::string ClusterLink::pacing_key() const {
  return client_address_.host_text() + " " + std::to_string(place_.port().address.port()) + " " +
         std::string(client_id_.view());
}

std::unique_ptr<connection::Transport> ClusterLink::client_transport(ring::Socket client,
                                                                     kafka::Conversation& conversation) {
  if (!place_.listener().tls) return nullptr;
  // The context is chosen when the ClientHello has arrived: a certificate renewed meanwhile is the one to show.
  auto engine = tls::Engine::server([this, &conversation](std::string_view name) {
    tls::Engine::Chosen chosen = place_.choose(name);
    if (std::optional<Failure> refusal = admit()) return tls::Engine::Chosen(std::move(*refusal));
    conversation.set_policy(place_.policy());
    chosen.describes_client = worker_.runtime().audit != nullptr;
    return chosen;
  });
  return connection::make_tls_transport(worker_.ring(), tls::Remote::client, std::move(engine), client,
                                        worker_.kernel_tls());
}

// Where listeners share the port, the client's is known only by its name.
std::optional<Failure> ClusterLink::admit() {
  if (ticket_ || !place_.named()) return std::nullopt;
  return worker_.runtime().admission.admit(place_.cluster_config().name, place_.listener(),
                                           {client_address_, proxy_header_.get()}, ticket_);
}

BrokerEvidence::Listeners ClusterLink::listeners() const {
  Runtime& runtime = worker_.runtime();
  return {place_.cluster(), runtime.loops, runtime.log, worker_};
}

// --- the broker

void ClusterLink::opened(const connection::Candidate& broker) {
  evidence_.opened(broker, worker_.runtime().loops);
}

std::optional<NodeId> ClusterLink::node() {
  if (!evidence_.node()) evidence_.identify(place_.snapshot(), place_.owner());
  return evidence_.node();
}

bool ClusterLink::wait_for_identity(const connection::Leg& broker) {
  if (evidence_.may_search() && !place_.cluster_config().upstream.tls) {
    evidence_.search(worker_.ring().remote_address(broker.socket()), place_.snapshot());
    if (identifying()) worker_.resolve(broker.id().slot, evidence_.name_to_resolve());
  }
  return identifying();
}

void ClusterLink::on_resolved(const connection::Leg& broker, std::span<const SocketAddress> addresses) {
  evidence_.on_resolved(addresses, place_.snapshot());
  if (identifying()) worker_.resolve(broker.id().slot, evidence_.name_to_resolve());
}

void ClusterLink::tell_answer() {
  evidence_.note_answer(heard_at_, listeners());
}

void ClusterLink::note_broken(bool answered, bool closed, const kafka::Conversation& conversation) {
  const bool sasl_first = config::uses_sasl(place_.cluster_config().upstream.security_protocol);
  evidence_.note_broken({answered, closed, sasl_first}, conversation, teacher().client(), worker_.now(),
                        listeners());
}

// --- what responses say

// The walker calls this for a response that answers its request.
bool ClusterLink::learn(const kafka::BrokerList& list) {
  note_answer(true);  // the broker that gives this list is alive
  const Topology::Lesson lesson = place_.topology().learn(list, evidence_.origin(), teacher(), worker_.now());
  worker_.refresh();
  if (question_.pending()) end_question();
  if (lesson != Topology::Lesson::learnt) worker_.want_discovery(place_.cluster());
  return lesson != Topology::Lesson::other_cluster;
}

std::string ClusterLink::other_cluster_advice() const {
  return proxy::other_cluster_advice(place_.cluster_config().upstream);
}

std::optional<HostPort> ClusterLink::advertised(NodeId id) {
  return place_.routes().advertised(id);
}

bool ClusterLink::leaves_out() {
  return place_.routes().leaves_out();
}

void ClusterLink::left_out(ApiKey source, NodeId id) {
  worker_.counters().withheld[counted_api(source)].add();
  report_left_out(place_.cluster(), place_.listener(), source, id, worker_.runtime().log);
}

void ClusterLink::hidden_api(ApiKey key) {
  report_hidden_api(place_.cluster(), key, worker_.runtime().log);
}

void ClusterLink::deviates(ApiKey source, kafka::Deviation how) {
  report_deviation(place_.cluster(), evidence_.dialled(), source, how, worker_.runtime().log);
}

void ClusterLink::denied(CorrelationId request) {
  evidence_.note_denied(request, worker_.now(), listeners());
}

}  // namespace kferry::proxy
