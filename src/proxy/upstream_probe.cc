#include "proxy/upstream_probe.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "kafka/client_codec.h"
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
    : host_(host),
      live_(std::move(live)),
      cluster_(cluster),
      slot_(slot),
      alarm_(host.legs().ring, {slot, 0, alarm_kind}),
      input_(host.legs().pool),
      output_(host.legs().pool),
      leg_(host.legs(), *this, tls::Remote::broker, {slot, 0, 0}, input_, output_) {}

void UpstreamProbe::start() {
  begin();
}

void UpstreamProbe::look_again() {
  if (stage_ != Stage::content || !state().upstream_doubted.exchange(false, std::memory_order_relaxed))
    return;
  begin();
}

void UpstreamProbe::stop() {
  stage_ = Stage::stopped;
  alarm_.cancel();
  leg_.close(false);
  if (dial_ != nullptr) dial_->close();
}

bool UpstreamProbe::stopped() const {
  return stage_ == Stage::stopped && leg_.outstanding() == 0 && !alarm_.armed() &&
         (dial_ == nullptr || dial_->outstanding() == 0);
}

void UpstreamProbe::on_completion(const ring::Completion& completion) {
  const std::uint16_t kind = completion.token.kind;
  KFERRY_ASSERT(kind < operations && !stopped());
  if (kind == alarm_kind) return on_alarm();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  leg_.on_completion(static_cast<Leg::Operation>(kind), completion);
}

// --- time

void UpstreamProbe::set_alarm(Duration in) {
  alarm_wanted_ = true;
  alarm_.set(now() + in);
}

void UpstreamProbe::on_alarm() {
  if (!alarm_.on_timer(alarm_wanted_ && stage_ != Stage::stopped)) return;
  alarm_wanted_ = false;
  if (stage_ == Stage::waiting) return begin();
  if (stage_ == Stage::dialling) return dial_->on_deadline();
  if (stage_ == Stage::asking) reject("no answer to ApiVersions in time");
}

// --- one round

void UpstreamProbe::begin() {
  KFERRY_ASSERT(stage_ == Stage::waiting || stage_ == Stage::content);
  stage_ = Stage::dialling;
  std::vector<connection::Candidate> candidates;
  for (const HostPort& server : config().upstream.bootstrap_servers)
    candidates.push_back({server, std::nullopt});
  const std::shared_ptr<const Snapshot> known = state().topology.snapshot();
  const auto is_asked = [&](const Node& node) {
    return std::ranges::any_of(config().upstream.bootstrap_servers, [&](const HostPort& server) {
      return canonical(server.host, server.port) == node.address;
    });
  };
  for (const Node& node : known->nodes) {
    if (candidates.size() >= asked_max) break;
    if (node.listed && !node.provisional && !is_asked(node)) candidates.push_back({node.address, node.id});
  }
  const config::Limits& limits = live_->plan->config().limits;
  connection::Dialler::Host& host = *this;
  dial_ = std::make_unique<connection::Dialler>(
      host, leg_, host_.legs(), no_kernel_tls_,
      connection::Dialler::Timeouts{milliseconds(limits.upstream_connect_timeout_ms),
                                    milliseconds(limits.tls_handshake_timeout_ms)},
      ring::Token{slot_, 0, dial_kind}, nullptr);
  dial_->start(std::move(candidates));
}

void UpstreamProbe::resolve(const HostPort& where) {
  host_.resolve(slot_, ++question_, where);
}

void UpstreamProbe::on_resolved(std::uint32_t question, std::vector<SocketAddress> addresses,
                                const std::string& error) {
  if (stage_ != Stage::dialling || question != question_) return;
  if (!dial_->candidate().node) state().note_bootstrap_addresses(addresses);
  dial_->on_resolved(std::move(addresses), error);
}

std::string_view UpstreamProbe::why_not_dialled(const connection::Candidate& candidate,
                                                const SocketAddress& address, const SocketAddress& from) {
  return host_.why_not_dialled(state(), address, candidate.node ? &candidate.address : nullptr, from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> UpstreamProbe::client_context() {
  return upstream_context(config(), live_->tls == nullptr ? nullptr : live_->tls->snapshot().get());
}

void UpstreamProbe::set_dial_deadline(Duration in) {
  set_alarm(in);
}

void UpstreamProbe::clear_dial_deadline() {
  alarm_wanted_ = false;
}

void UpstreamProbe::on_not_dialled(int /*local_error*/) {
  KFERRY_ASSERT(stage_ == Stage::dialling);
  stage_ = Stage::waiting;
  const std::string& name = config().name;
  if (!state().upstream_lost.exchange(true, std::memory_order_relaxed)) {
    host_.log().write({Severity::warning, "upstream_lost", name,
                       "degraded: no bootstrap server of cluster " + name + " answers: tried" +
                           shown_attempts(dial_->tried()) +
                           ": trying again; check the servers, DNS and the network from this host"});
  }
  backoff_ = std::clamp(backoff_ * 2, backoff_min, backoff_max);
  set_alarm(backoff_);
}

// --- one question, one answer

void UpstreamProbe::on_dialled(const connection::Candidate& /*candidate*/) {
  KFERRY_ASSERT(stage_ == Stage::dialling);
  leg_.set_owner(*this);
  input_.clear();
  output_.clear();
  incoming_.clear();
  stage_ = Stage::asking;
  set_alarm(answer_timeout);
  output_.insert(kafka::encode_api_versions(correlation_id, client_id));
  send_and_receive();
}

void UpstreamProbe::send_and_receive() {
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  leg_.receive();
}

void UpstreamProbe::on_output(Leg& /*leg*/) {
  KFERRY_ASSERT(stage_ == Stage::asking);
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  take_answer();
}

void UpstreamProbe::on_input(Leg& /*leg*/) {
  KFERRY_ASSERT(stage_ == Stage::asking);
  input_.take_input(incoming_);
  leg_.send(Leg::Completion::at_once,
            connection::Follow::nothing);  // TLS may have something of its own to say
  take_answer();
}

// The answer may be here before the completion of the send that asked for it.
void UpstreamProbe::take_answer() {
  if (leg_.sending()) return;
  if (incoming_.size() >= 4) {
    const auto size = kafka::frame_size(std::span<const std::byte, 4>(incoming_.data(), 4));
    if (!size) return reject(size.error().text);
    if (incoming_.size() >= 4 + *size) {
      const auto frame = std::span<const std::byte>(incoming_).subspan(4, *size);
      const auto answer = kafka::decode_api_versions(frame, correlation_id);
      if (!answer) return reject(answer.error().text);
      return on_answered();
    }
  }
  if (leg_.ended()) return reject("closed before it answered ApiVersions");
  leg_.receive();
}

void UpstreamProbe::on_answered() {
  ClusterState& cluster = state();
  backoff_ = {};
  cluster.upstream_doubted.store(false, std::memory_order_relaxed);
  cluster.upstream_answered.store(true, std::memory_order_relaxed);
  if (cluster.upstream_lost.exchange(false, std::memory_order_relaxed)) {
    host_.log().write({Severity::info, "upstream_answers", config().name,
                       "cluster " + config().name + " answers at " + to_string(dial_->candidate().address)});
  }
  stage_ = Stage::leaving;
  leg_.abandon(false);
}

// --- the end of a connection

void UpstreamProbe::reject(std::string why) {
  KFERRY_ASSERT(stage_ == Stage::asking);
  stage_ = Stage::dialling;
  alarm_wanted_ = false;
  dial_->reject(std::move(why));
}

void UpstreamProbe::on_break(Leg& leg, const Leg::Break& what) {
  KFERRY_ASSERT(stage_ == Stage::asking);
  const bool by_tls = what.how == Leg::Break::How::tls || what.how == Leg::Break::How::truncated;
  reject(by_tls ? leg.transport().failure().text : std::strerror(what.error));
}

void UpstreamProbe::on_left(Leg& /*leg*/) {
  KFERRY_ASSERT(stage_ == Stage::leaving);
  stage_ = Stage::content;
  alarm_wanted_ = false;
}

void UpstreamProbe::on_starved(Leg& /*leg*/) {
  host_.starve(slot_);
}

void UpstreamProbe::on_dial_starved() {
  host_.starve(slot_);
}

void UpstreamProbe::receive_again() {
  if (stage_ == Stage::dialling) return dial_->resume();
  if (stage_ != Stage::asking) return;
  leg_.receive_again();
  leg_.receive();
}

}  // namespace kferry::proxy
