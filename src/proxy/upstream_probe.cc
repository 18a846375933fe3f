#include "proxy/upstream_probe.h"

#include <algorithm>
#include <utility>

#include "kafka/client_codec.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view client_id = "kferry-health";
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
  if (!content_ || !idle() || !state().upstream_doubted.exchange(false, std::memory_order_relaxed)) return;
  begin();
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
  const config::Limits& limits = live_->plan->config().limits;
  dial(std::move(candidates),
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
  ask(kafka::encode_api_versions(correlation_id, client_id));
}

void UpstreamProbe::on_answer(std::span<const std::byte> frame) {
  if (const auto answer = kafka::decode_api_versions(frame, correlation_id); !answer)
    return reject(answer.error().text);
  ClusterState& cluster = state();
  backoff_ = {};
  cluster.upstream_doubted.store(false, std::memory_order_relaxed);
  cluster.upstream_answered.store(true, std::memory_order_relaxed);
  if (cluster.upstream_lost.exchange(false, std::memory_order_relaxed)) {
    host_.log().write(
        {Severity::info, "upstream_answers", config().name,
         "cluster " + config().name + " answers at " + to_string(dialler().candidate().address)});
  }
  leave();
}

}  // namespace kferry::proxy
