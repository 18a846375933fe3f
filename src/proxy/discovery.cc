#include "proxy/discovery.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "config/security_protocol.h"
#include "kafka/api_keys.h"
#include "kafka/client_codec.h"
#include "kafka/error_codes.h"
#include "proxy/reports.h"
#include "proxy/worker.h"
#include "tls/digests.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view client_id = "kferry-discovery";
constexpr Duration backoff_min = milliseconds(500);
constexpr Duration backoff_max = seconds(30);
constexpr ApiVersion authenticate_version = 0;
// Servers of one round, so that a round ends.
constexpr std::size_t asked_max = 64;

}  // namespace

bool Discovery::possible(const config::Upstream& upstream) {
  if (!config::uses_sasl(upstream.security_protocol)) return true;
  return upstream.sasl && SaslClient::make(*upstream.sasl).has_value();
}

Discovery::Discovery(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster, ring::Token first)
    : worker_(worker),
      view_(std::move(view)),
      cluster_(cluster),
      alarm_(worker.ring(),
             {first.slot, first.generation, static_cast<std::uint16_t>(first.kind + alarm_kind)}),
      input_(worker.pool()),
      output_(worker.pool()),
      leg_(worker.legs(), *this, tls::Remote::broker, first, input_, output_) {}

void Discovery::start() {
  begin();
}

void Discovery::soon() {
  if (stage_ != Stage::waiting) return;
  const Duration in = backoff_min + milliseconds(worker_.random(500));
  if (alarm_.at() > worker_.now() + in) set_alarm(in);
}

void Discovery::at_once() {
  if (stage_ == Stage::waiting) {
    set_alarm(Duration::zero());
  } else {
    again_ = true;
  }
}

void Discovery::stop() {
  stage_ = Stage::stopped;
  drop_sasl();
  alarm_.cancel();
  leg_.close(false);
  if (dial_ != nullptr) dial_->close();
}

void Discovery::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < operations && !stopped());
  if (kind == alarm_kind) return on_alarm();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  leg_.on_completion(static_cast<Leg::Operation>(kind), completion);
}

// --- time

void Discovery::set_alarm(Duration in) {
  alarm_wanted_ = true;
  alarm_.set(worker_.now() + in);
}

void Discovery::on_alarm() {
  if (!alarm_.on_timer(alarm_wanted_ && stage_ != Stage::stopped)) return;
  alarm_wanted_ = false;
  if (stage_ == Stage::waiting) return begin();
  if (stage_ == Stage::dialling) return dial_->on_deadline();
  if (asking()) reject("timed out");
}

// --- one round

void Discovery::begin() {
  KFERRY_ASSERT(stage_ == Stage::waiting);
  stage_ = Stage::dialling;
  bootstrap_asked_ = 0;
  const config::Upstream& upstream = config().upstream;
  const auto offset = static_cast<std::size_t>(worker_.random(1'000'000));
  const std::size_t servers = upstream.bootstrap_servers.size();
  std::vector<connection::Candidate> candidates;
  for (const HostPort& server : upstream.bootstrap_servers) worker_.doubt_name(server.host);
  for (std::size_t i = 0; i < servers; ++i)
    candidates.push_back({upstream.bootstrap_servers[(offset + i) % servers], std::nullopt});
  const auto is_asked = [&](const Node& node) {
    return std::ranges::any_of(candidates, [&](const auto& one) {
      return canonical(one.address.host, one.address.port) == node.address;
    });
  };
  // A cluster may have moved away from every bootstrap server. Not the same brokers in each round.
  const std::vector<Node>& nodes = view_->snapshot(cluster_).nodes;
  const std::size_t end = std::min(candidates.size() + known_asked_max, asked_max);
  for (std::size_t i = 0; i < nodes.size() && candidates.size() < end; ++i) {
    const Node& node = nodes[(offset + i) % nodes.size()];
    if (node.listed && !node.provisional && !is_asked(node)) candidates.push_back({node.address, node.id});
  }
  connection::Dialler::Host& host = *this;
  dial_ = std::make_unique<connection::Dialler>(
      host, leg_, worker_.legs(), no_kernel_tls_,
      connection::Dialler::Timeouts{attempt_timeout, milliseconds(worker_.limits().tls_handshake_timeout_ms),
                                    Duration::zero(), round_budget},
      ring::Token{leg_.id().slot, leg_.id().generation,
                  static_cast<std::uint16_t>(leg_.id().kind + dial_kind)},
      &worker_.runtime().addresses);
  dial_->start(std::move(candidates));
}

void Discovery::resolve(const HostPort& where) {
  // Whether to follow another cluster is for the bootstrap servers to say, and known brokers may take long to fail.
  if (other_ && dial_->candidate().node) return dial_->on_resolved({}, "another cluster answers instead");
  if (!dial_->candidate().node) ++bootstrap_asked_;
  worker_.inquiries().resolve_for_discovery(leg_.id(), where);
}

void Discovery::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (stage_ != Stage::dialling) return;
  if (!dial_->candidate().node) cluster().note_bootstrap_addresses(addresses);
  dial_->on_resolved(std::move(addresses), error);
}

std::string_view Discovery::why_not_dialled(const connection::Candidate& candidate,
                                            const SocketAddress& address, const SocketAddress& from) {
  return proxy::why_not_dialled(worker_.runtime(), cluster(), candidate, address, worker_.now(), from);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> Discovery::client_context() {
  return view_->upstream_context(cluster_);
}

void Discovery::set_dial_deadline(Duration in) {
  set_alarm(in);
}

void Discovery::clear_dial_deadline() {
  alarm_wanted_ = false;
}

void Discovery::on_not_dialled(int /*local_error*/) {
  KFERRY_ASSERT(stage_ == Stage::dialling);
  end_round(false);
}

void Discovery::end_round(bool learnt) {
  stage_ = Stage::waiting;
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
         "cannot ask cluster " + name + " for its brokers: tried" + shown_attempts(dial_->tried()) +
             ": trying again; clients are served all the same, and what passes is learnt"});
  }
  backoff_ = std::clamp(backoff_ * 2, backoff_min, backoff_max);
  set_alarm(backoff_);
}

// --- one question, one answer

void Discovery::on_dialled(const connection::Candidate& /*candidate*/) {
  KFERRY_ASSERT(stage_ == Stage::dialling);
  leg_.set_owner(*this);
  worker_.set_options(leg_.socket());
  input_.clear();
  output_.clear();
  incoming_.clear();
  set_alarm(attempt_timeout);
  const config::Upstream& upstream = config().upstream;
  if (!config::uses_sasl(upstream.security_protocol))
    return ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Stage::metadata);
  auto made = SaslClient::make(*upstream.sasl);
  KFERRY_ASSERT(made.has_value());  // possible() has tried
  sasl_.emplace(std::move(*made));
  ask(kafka::encode_sasl_handshake(CorrelationId{++correlation_id_}, client_id, sasl_->mechanism()),
      Stage::handshake);
}

// A request may hold a password.
void Discovery::ask(std::vector<std::byte> request, Stage stage) {
  stage_ = stage;
  output_.insert_secret(request);
  wipe(request);
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  leg_.receive();
}

void Discovery::on_output(Leg& /*leg*/) {
  KFERRY_ASSERT(asking());
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  take_answer();
}

void Discovery::on_input(Leg& /*leg*/) {
  KFERRY_ASSERT(asking());
  input_.take_input(incoming_);
  leg_.send(Leg::Completion::at_once,
            connection::Follow::nothing);  // TLS may have something of its own to say
  take_answer();
}

// The answer may be here before the completion of the send that asked for it.
void Discovery::take_answer() {
  if (leg_.sending() || stage_ == Stage::deriving) return;
  if (incoming_.size() >= 4) {
    const auto size = kafka::frame_size(std::span<const std::byte, 4>(incoming_.data(), 4));
    if (!size) return reject(size.error().text);
    if (incoming_.size() >= 4 + *size) {
      const std::vector<std::byte> whole = std::exchange(incoming_, {});
      return on_answer(std::span(whole).subspan(4));
    }
  }
  if (leg_.ended())
    return reject(stage_ == Stage::metadata ? "closed before it answered" : "closed during authentication");
  leg_.receive();
}

void Discovery::on_answer(std::span<const std::byte> frame) {
  const CorrelationId id{correlation_id_};
  if (stage_ == Stage::metadata) {
    on_metadata(frame);
    return;
  }
  if (stage_ == Stage::handshake) {
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
      ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Stage::metadata);
      return;
    case SaslClient::Outcome::derive:
      stage_ = Stage::deriving;
      deriving_ =
          worker_.runtime().keys.derive(std::move(*step.order), [&ring = worker_.ring()] { ring.wake(); });
      if (deriving_ == nullptr) reject("too many SCRAM keys wait to be derived on this host");
      return;
    case SaslClient::Outcome::send:
      ask(kafka::encode_sasl_authenticate(CorrelationId{++correlation_id_}, client_id, authenticate_version,
                                          step.token),
          Stage::authenticate);
      wipe(step.token);
      return;
  }
}

void Discovery::on_turn() {
  if (stage_ != Stage::deriving) return;
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

// --- the end of a connection

void Discovery::reject(std::string why) {
  KFERRY_ASSERT(asking());
  stage_ = Stage::dialling;
  alarm_wanted_ = false;
  drop_sasl();
  dial_->reject(std::move(why));
}

void Discovery::on_break(Leg& leg, const Leg::Break& what) {
  KFERRY_ASSERT(asking());
  const bool by_tls = what.how == Leg::Break::How::tls || what.how == Leg::Break::How::truncated;
  reject(by_tls ? leg.transport().failure().text : std::strerror(what.error));
}

void Discovery::on_left(Leg& /*leg*/) {
  KFERRY_ASSERT(stage_ == Stage::leaving);
  end_round(true);
}

void Discovery::on_starved(Leg& leg) {
  worker_.starve(leg.id());
}

void Discovery::on_dial_starved() {
  worker_.starve(leg_.id());
}

void Discovery::receive_again() {
  if (stage_ == Stage::dialling) return dial_->resume();
  leg_.receive_again();
  leg_.receive();
}

}  // namespace kferry::proxy
