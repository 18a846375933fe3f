#include "proxy/upstream_probe.h"

#include <algorithm>
#include <utility>

#include "kafka/client_codec.h"
#include "proxy/broker_list.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

constexpr CorrelationId correlation_id{1};
// Servers of one round, so that a round ends.
constexpr std::size_t asked_max = 64;

}  // namespace

UpstreamProbe::UpstreamProbe(Host& host, std::shared_ptr<const LivePlan> live, std::uint32_t cluster,
                             std::uint32_t slot)
    : OwnConnection(host.legs(), {slot, 0, 0}),
      host_(host),
      live_(std::move(live)),
      cluster_(cluster),
      slot_(slot) {}

void UpstreamProbe::start() {
  begin();
}

void UpstreamProbe::look_again() {
  if (!idle()) return;
  if (content_ && state().upstream_doubted.exchange(false, std::memory_order_relaxed)) return begin();
  if (const auto place = host_.loops().take_suspect(config().name)) ask_suspect(*place);
}

// --- one round

void UpstreamProbe::begin() {
  content_ = false;
  std::vector<connection::Candidate> candidates;
  for (const HostPort& server : config().upstream.bootstrap_servers)
    candidates.push_back({server, std::nullopt});
  const std::shared_ptr<const Snapshot> known = state().topology.snapshot();
  for (const Node& node : known->nodes) {
    if (candidates.size() >= asked_max) break;
    if (adds_to(candidates, node)) candidates.push_back({node.address, node.id});
  }
  dial(std::move(candidates));
}

void UpstreamProbe::ask_suspect(const HostPort& place) {
  const auto is_there = [&place](const HostPort& one) { return canonical(one.host, one.port) == place; };
  std::optional<NodeId> node;
  const std::shared_ptr<const Snapshot> snapshot = state().topology.snapshot();
  if (const Node* known = snapshot->at(place)) node = known->id;
  if (!node && std::ranges::none_of(config().upstream.bootstrap_servers, is_there)) return;
  suspects_ = true;
  next_round_ = alarm_at();
  dial({{place, node}});
}

void UpstreamProbe::dial(std::vector<connection::Candidate> candidates) {
  const config::Limits& limits = live_->plan->config().limits;
  OwnConnection::dial(
      std::move(candidates),
      {milliseconds(limits.upstream_connect_timeout_ms), milliseconds(limits.tls_handshake_timeout_ms)},
      nullptr);
}

void UpstreamProbe::resolve(const HostPort& where) {
  host_.resolve(slot_, ++question_, where);
}

void UpstreamProbe::on_resolved(std::uint32_t question, std::vector<SocketAddress> addresses,
                                const std::string& error) {
  if (!dialling() || question != question_) return;
  if (!dialler().candidate().node) state().note_bootstrap_addresses(addresses);
  dialler().on_resolved(std::move(addresses), error);
}

std::string_view UpstreamProbe::why_not_dialled(const connection::Candidate& candidate,
                                                const SocketAddress& address, const SocketAddress& from) {
  return host_.why_not_dialled(state(), address, candidate.node ? &candidate.address : nullptr, from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> UpstreamProbe::client_context() {
  return upstream_context(config(), live_->tls == nullptr ? nullptr : live_->tls->snapshot().get());
}

void UpstreamProbe::on_all_failed() {
  if (std::exchange(suspects_, false)) {
    if (!content_) set_alarm(std::max(next_round_ - host_.legs().ring.now(), Duration::zero()));
    return;
  }
  const std::string& name = config().name;
  if (!state().upstream_lost.exchange(true, std::memory_order_relaxed)) {
    host_.log().write({Severity::warning, "upstream_lost", name,
                       "degraded: no bootstrap server of cluster " + name + " answers: tried" +
                           shown_attempts(dialler().tried()) +
                           ": trying again; check the servers, DNS and the network from this host"});
  }
  backoff_ = std::clamp(backoff_ * 2, backoff_min, backoff_max);
  set_alarm(backoff_);
}

// --- one question, one answer

void UpstreamProbe::on_connected(ring::Socket /*socket*/) {
  const HostPort& address = dialler().candidate().address;
  ask(kafka::encode_api_versions(correlation_id, std::string(marked_client_id) +
                                                     host_.loops().mark(canonical(address.host, address.port),
                                                                        host_.legs().ring.now())));
}

void UpstreamProbe::on_answer(std::span<const std::byte> frame) {
  if (const auto answer = kafka::decode_api_versions(frame, correlation_id); !answer)
    return reject(answer.error().text);
  const HostPort& address = dialler().candidate().address;
  host_.loops().answered(canonical(address.host, address.port));
  suspects_ = false;
  ClusterState& cluster = state();
  backoff_ = {};
  cluster.upstream_doubted.store(false, std::memory_order_relaxed);
  cluster.upstream_answered.store(true, std::memory_order_relaxed);
  if (cluster.upstream_lost.exchange(false, std::memory_order_relaxed)) {
    host_.log().write({Severity::info, "upstream_answers", config().name,
                       "cluster " + config().name + " answers at " + to_string(address)});
  }
  leave();
}

}  // namespace kferry::proxy
