#include "proxy/discovery.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "config/security_protocol.h"
#include "kafka/api_keys.h"
#include "kafka/client_codec.h"
#include "kafka/error_codes.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"
#include "proxy/worker.h"
#include "tls/digests.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view client_id = "kferry-discovery";
constexpr Duration backoff_min = milliseconds(500);
constexpr Duration backoff_max = seconds(10);
constexpr ApiVersion authenticate_version = 0;
// Servers of one round, so that a round ends.
constexpr std::size_t asked_max = 64;

}  // namespace

bool Discovery::possible(const config::Upstream& upstream) {
  if (!config::uses_sasl(upstream.security_protocol)) return true;
  return upstream.sasl && SaslClient::make(*upstream.sasl).has_value();
}

Discovery::Discovery(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster, ring::Token first)
    : OwnConnection(worker.legs(), first), worker_(worker), view_(std::move(view)), cluster_(cluster) {}

void Discovery::start() {
  begin();
}

void Discovery::move_to(std::shared_ptr<PlanView> view, std::uint32_t cluster) {
  KFERRY_ASSERT(calm());
  view_ = std::move(view);
  cluster_ = cluster;
  const Duration interval = seconds(worker_.limits().discovery_interval_s);
  if (alarm_at() > worker_.now() + interval) set_alarm(interval);
}

void Discovery::soon() {
  if (!idle()) return;
  const Duration in = backoff_min + milliseconds(worker_.random(500));
  if (alarm_at() > worker_.now() + in) set_alarm(in);
}

void Discovery::at_once() {
  if (idle()) {
    set_alarm(Duration::zero());
  } else {
    again_ = true;
  }
}

void Discovery::stop() {
  drop_sasl();
  OwnConnection::stop();
}

// --- one round

void Discovery::begin() {
  bootstrap_asked_ = 0;
  const config::Upstream& upstream = config().upstream;
  const auto offset = static_cast<std::size_t>(worker_.random(1'000'000));
  const std::size_t servers = upstream.bootstrap_servers.size();
  std::vector<connection::Candidate> candidates;
  for (const HostPort& server : upstream.bootstrap_servers) worker_.doubt_name(server.host);
  for (std::size_t i = 0; i < servers; ++i)
    candidates.push_back({upstream.bootstrap_servers[(offset + i) % servers], std::nullopt});
  // A cluster may have moved away from every bootstrap server. Not the same brokers in each round.
  const std::vector<Node>& nodes = view_->snapshot(cluster_).nodes;
  const std::size_t end = std::min(candidates.size() + known_asked_max, asked_max);
  for (std::size_t i = 0; i < nodes.size() && candidates.size() < end; ++i) {
    const Node& node = nodes[(offset + i) % nodes.size()];
    if (adds_to(candidates, node)) candidates.push_back({node.address, node.id});
  }
  dial(std::move(candidates),
       {attempt_timeout, milliseconds(worker_.limits().tls_handshake_timeout_ms), Duration::zero(),
        round_budget},
       &worker_.runtime().addresses);
}

void Discovery::resolve(const HostPort& where) {
  // Whether to follow another cluster is for the bootstrap servers to say, and known brokers may take long to fail.
  if (other_ && dialler().candidate().node)
    return dialler().on_resolved({}, "another cluster answers instead");
  if (!dialler().candidate().node) ++bootstrap_asked_;
  worker_.inquiries().resolve_for_discovery(id(), where);
}

void Discovery::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (!dialling()) return;
  if (!dialler().candidate().node) cluster().note_bootstrap_addresses(addresses);
  dialler().on_resolved(std::move(addresses), error);
}

std::string_view Discovery::why_not_dialled(const connection::Candidate& candidate,
                                            const SocketAddress& address, const SocketAddress& from) {
  return proxy::why_not_dialled(worker_.runtime(), cluster(), candidate, address, worker_.now(), from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> Discovery::client_context() {
  return view_->upstream_context(cluster_);
}

void Discovery::end_round(bool learnt) {
  learnt = learnt || follow_other_cluster();
  // Without a second opinion the first one was heard like a client's.
  learnt = learnt || !first_opinion_.empty();
  first_opinion_.clear();
  if (learnt && std::exchange(again_, false)) return set_alarm(Duration::zero());
  if (learnt) {
    backoff_ = {};
    warned_ = false;
    set_alarm(seconds(worker_.limits().discovery_interval_s));
    return;
  }
  cluster().upstream_doubted.store(true, std::memory_order_relaxed);
  const std::string& name = config().name;
  if (!std::exchange(warned_, true)) {
    worker_.runtime().log.write(
        {Severity::warning, "discovery_failed", name,
         "cannot ask cluster " + name + " for its brokers: tried" + shown_attempts(dialler().tried()) +
             ": trying again; clients are served all the same, and what passes is learnt"});
  }
  backoff_ = std::clamp(backoff_ * 2, backoff_min, backoff_max);
  set_alarm(backoff_);
}

// --- one question, one answer

void Discovery::on_connected(ring::Socket socket) {
  worker_.set_options(socket);
  const config::Upstream& upstream = config().upstream;
  if (!config::uses_sasl(upstream.security_protocol))
    return ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Question::metadata);
  auto made = SaslClient::make(*upstream.sasl);
  KFERRY_ASSERT(made.has_value());  // possible() has tried
  sasl_.emplace(std::move(*made));
  ask(kafka::encode_sasl_handshake(CorrelationId{++correlation_id_}, client_id, sasl_->mechanism()),
      Question::handshake);
}

void Discovery::ask(std::vector<std::byte> request, Question question) {
  question_ = question;
  OwnConnection::ask(std::move(request));
}

void Discovery::on_answer(std::span<const std::byte> frame) {
  const CorrelationId id{correlation_id_};
  if (question_ == Question::metadata) {
    on_metadata(frame);
    return;
  }
  if (question_ == Question::handshake) {
    const auto answer = kafka::decode_sasl_handshake(frame, id);
    if (!answer) {
      reject(answer.error().text);
    } else if (answer->error != 0) {
      reject("SASL mechanism " + sasl_->mechanism() + ": " + kafka::error_name(answer->error));
    } else {
      on_step(sasl_->start());
    }
    return;
  }
  const auto answer = kafka::decode_sasl_authenticate(frame, id, authenticate_version);
  if (!answer) {
    reject(answer.error().text);
  } else if (answer->error != 0) {
    reject(kafka::error_name(answer->error) + (answer->error == kafka::error_sasl_authentication_failed
                                                   ? ": check user name and password"
                                                   : ""));
  } else {
    on_step(sasl_->on_challenge(answer->token));
  }
}

void Discovery::on_step(SaslClient::Step step) {
  switch (step.outcome) {
    case SaslClient::Outcome::failed:
      reject(step.failure);
      return;
    case SaslClient::Outcome::done:
      ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Question::metadata);
      return;
    case SaslClient::Outcome::derive:
      hold();
      deriving_ =
          worker_.runtime().keys.derive(std::move(*step.order), [&ring = worker_.ring()] { ring.wake(); });
      if (deriving_ == nullptr) reject("too many SCRAM keys wait to be derived on this host");
      return;
    case SaslClient::Outcome::send:
      ask(kafka::encode_sasl_authenticate(CorrelationId{++correlation_id_}, client_id, authenticate_version,
                                          step.token),
          Question::authenticate);
      wipe(step.token);
      return;
  }
}

void Discovery::on_turn() {
  if (!deriving_) return;
  const std::optional<tls::Digest> key = deriving_->take();
  if (!key) return;
  deriving_.reset();
  on_step(sasl_->on_derived(*key));
}

void Discovery::drop_sasl() {
  if (deriving_) deriving_->abandon();
  deriving_.reset();
  sasl_.reset();
}

void Discovery::starve() {
  worker_.starve(id());
}

}  // namespace kferry::proxy
