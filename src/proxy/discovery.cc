#include "proxy/discovery.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"
#include "kafka/client_codec.h"
#include "kafka/error_codes.h"
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
constexpr std::size_t receive_size_max = 64 * KiB;

bool uses_sasl(const config::Upstream& upstream) {
  return upstream.security_protocol == config::SecurityProtocol::sasl_plaintext ||
         upstream.security_protocol == config::SecurityProtocol::sasl_ssl;
}

// What is in them may be a password.
void wipe_and_clear(std::vector<std::byte>& octets) {
  wipe(octets);
  octets.clear();
}

}  // namespace

bool Discovery::possible(const config::Upstream& upstream) {
  if (!uses_sasl(upstream)) return true;
  return upstream.sasl && SaslClient::make(*upstream.sasl).has_value();
}

Discovery::Discovery(Worker& worker, std::uint32_t cluster) : worker_(worker), cluster_(cluster) {}

ring::Token Discovery::token(Operation operation) const {
  return {cluster_, 0,
          static_cast<std::uint16_t>(static_cast<std::uint16_t>(Worker::Operation::discovery) +
                                     static_cast<std::uint16_t>(operation))};
}

void Discovery::start() {
  begin();
}

void Discovery::soon() {
  if (stopping_ || stage_ != Stage::waiting) return;
  const Duration in = backoff_min + milliseconds(worker_.random(500));
  if (alarm_at_ > worker_.now() + in) set_alarm(in);
}

void Discovery::stop() {
  stopping_ = true;
  if (alarm_armed_) worker_.ring().cancel(token(Operation::alarm));
  close();
}

// --- time

void Discovery::set_alarm(Duration in) {
  if (stopping_) return;
  alarm_at_ = worker_.now() + in;
  if (!alarm_armed_) {
    alarm_armed_ = true;
    alarm_armed_for_ = alarm_at_;
    worker_.ring().timer(token(Operation::alarm), alarm_at_);
  } else if (alarm_at_ < alarm_armed_for_) {
    worker_.ring().cancel(token(Operation::alarm));  // completes, and is armed anew there
  }
}

void Discovery::on_alarm() {
  alarm_armed_ = false;
  if (stopping_) return;
  if (worker_.now() < alarm_at_) {
    set_alarm(alarm_at_ - worker_.now());
  } else if (stage_ == Stage::waiting) {
    begin();
  } else if (stage_ == Stage::securing) {
    give_up("TLS: timed out, " + tls_->handshake_state());
  } else if (stage_ != Stage::resolving && stage_ != Stage::closing) {
    give_up("timed out");
  }
}

// --- one round

void Discovery::begin() {
  targets_.clear();
  target_ = 0;
  tried_.clear();
  learnt_ = false;
  full_handshake_ = false;
  const config::Upstream& upstream = worker_.cluster(cluster_).config.upstream;
  const std::size_t offset = static_cast<std::size_t>(worker_.random(1'000'000));
  for (std::size_t i = 0; i < upstream.bootstrap_servers.size(); ++i) {
    targets_.push_back({upstream.bootstrap_servers[(offset + i) % upstream.bootstrap_servers.size()], true});
  }
  // A cluster may have moved away from every bootstrap server.
  for (const Node& node : worker_.snapshot(cluster_).nodes) {
    if (node.listed) targets_.push_back({node.address, false});
  }
  next_target();
}

void Discovery::next_target() {
  if (target_ == targets_.size()) {
    end_round();
    return;
  }
  stage_ = Stage::resolving;
  worker_.resolve_for_discovery(cluster_, targets_[target_].address);
}

void Discovery::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (stopping_ || stage_ != Stage::resolving) return;
  if (targets_[target_].bootstrap) worker_.note_bootstrap_addresses(cluster_, addresses);
  if (addresses.empty()) tried_ += " " + to_string(targets_[target_].address) + " (" + error + ")";
  addresses_ = std::move(addresses);
  address_ = 0;
  next_address();
}

void Discovery::next_address() {
  const ClusterState& cluster = worker_.cluster(cluster_);
  while (address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[address_];
    const std::string_view why_not =
        worker_.engine().why_not_dialled(cluster, address, !targets_[target_].bootstrap);
    if (why_not.empty()) {
      const auto opened = worker_.ring().connect(token(Operation::connect), address);
      if (opened.error == 0) {
        stage_ = Stage::connecting;
        socket_ = opened.socket;
        connecting_ = true;
        set_alarm(attempt_timeout);
        return;
      }
    }
    tried_ += " " + address.text() + " (" + (why_not.empty() ? "no socket" : std::string(why_not)) + ")";
    ++address_;
  }
  ++target_;
  next_target();
}

void Discovery::on_connected(int result) {
  connecting_ = false;
  if (stage_ == Stage::closing) {
    on_closed();
    return;
  }
  if (result < 0) {
    give_up(std::strerror(-result));
    return;
  }
  worker_.set_options(socket_);
  incoming_.clear();
  ended_ = false;
  wipe_and_clear(question_);
  wipe_and_clear(outgoing_);
  sent_ = 0;
  if (worker_.cluster(cluster_).config.upstream.tls) {
    start_tls();
  } else {
    introduce();
  }
}

// --- one question, one answer

void Discovery::introduce() {
  const config::Upstream& upstream = worker_.cluster(cluster_).config.upstream;
  if (!uses_sasl(upstream)) {
    ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Stage::metadata);
    return;
  }
  auto made = SaslClient::make(*upstream.sasl);
  KFERRY_ASSERT(made.has_value());  // possible() has tried
  sasl_.emplace(std::move(*made));
  ask(kafka::encode_sasl_handshake(CorrelationId{++correlation_id_}, client_id, sasl_->mechanism()),
      Stage::handshake);
}

void Discovery::ask(std::vector<std::byte> request, Stage stage) {
  stage_ = stage;
  question_ = std::move(request);
  submit_send();
  submit_receive();
}

void Discovery::submit_send() {
  if (sending_) return;
  if (sent_ == outgoing_.size()) refill();
  if (outgoing_.empty()) return;
  sending_ = true;
  const std::array<iovec, 1> piece = {iovec{outgoing_.data() + sent_, outgoing_.size() - sent_}};
  worker_.ring().send(token(Operation::send), socket_, piece);
}

// Everything has left: what goes out next, or nothing.
void Discovery::refill() {
  wipe_and_clear(outgoing_);
  sent_ = 0;
  if (tls_ == nullptr) {
    outgoing_ = std::exchange(question_, {});
    return;
  }
  const std::span<const std::byte> own = tls_->to_send();
  outgoing_.assign(own.begin(), own.end());
  tls_->sent(own.size());
  if (question_.empty() || tls_->state() != tls::Engine::State::open) return;
  std::size_t at = outgoing_.size();
  const std::size_t records = question_.size() / tls::record_plain_max + 2;
  outgoing_.resize(at + question_.size() + records * tls::record_overhead_max);
  std::span<const std::byte> plain = question_;
  while (!plain.empty()) {
    const auto moved = tls_->write(plain, std::span(outgoing_).subspan(at));
    at += moved.made;
    plain = plain.subspan(moved.taken);
    if (moved.taken == 0) break;
  }
  outgoing_.resize(at);
  wipe_and_clear(question_);
}

void Discovery::submit_receive() {
  if (receiving_) return;
  receiving_ = true;
  worker_.ring().receive(token(Operation::receive), socket_, receive_size_max);
}

void Discovery::on_sent(int result) {
  sending_ = false;
  if (stage_ == Stage::closing) {
    on_closed();
  } else if (result < 0) {
    give_up(std::strerror(-result));
  } else {
    sent_ += static_cast<std::size_t>(result);
    submit_send();
    if (!sending_ && stage_ != Stage::securing) take_answer();
  }
}

void Discovery::on_received(const ring::Completion& completion) {
  receiving_ = false;
  const bool closing = stage_ == Stage::closing;
  for (const ring::Piece& piece : completion.pieces) {
    if (tls_ != nullptr && !closing) {
      decrypt(piece.bytes);
    } else {
      incoming_.insert(incoming_.end(), piece.bytes.begin(), piece.bytes.end());
    }
    worker_.ring().recycle(piece.id);
  }
  if (closing) {
    on_closed();
    return;
  }
  if (completion.result == -ENOBUFS) return;  // every buffer is in use: the alarm ends this attempt
  if (completion.result < 0) {
    give_up(std::strerror(-completion.result));
    return;
  }
  ended_ = completion.result == 0;
  if (tls_ != nullptr) {
    follow_tls(ended_);
  } else {
    take_answer();
  }
}

// The answer may be here before the completion of the send that asked for it.
void Discovery::take_answer() {
  if (sending_ || receiving_) return;
  if (incoming_.size() >= 4) {
    const auto size = kafka::frame_size(std::span<const std::byte, 4>(incoming_.data(), 4));
    if (!size) {
      give_up(size.error().text);
      return;
    }
    if (incoming_.size() >= 4 + *size) {
      const std::vector<std::byte> whole = std::exchange(incoming_, {});
      on_answer(std::span(whole).subspan(4));
      return;
    }
  }
  if (ended_ || (tls_ != nullptr && tls_->state() == tls::Engine::State::ended)) {
    give_up(stage_ == Stage::metadata ? "closed before it answered" : "closed during authentication");
    return;
  }
  submit_receive();
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
      give_up(answer.error().text);
    } else if (answer->error != 0) {
      give_up("SASL mechanism " + sasl_->mechanism() + ": " + kafka::error_name(answer->error));
    } else {
      on_step(sasl_->start());
    }
    return;
  }
  const auto answer = kafka::decode_sasl_authenticate(frame, id, authenticate_version);
  if (!answer) {
    give_up(answer.error().text);
  } else if (answer->error != 0) {
    give_up(kafka::error_name(answer->error) + ": " + answer->message);
  } else {
    on_step(sasl_->on_challenge(answer->token));
  }
}

void Discovery::on_step(SaslClient::Step step) {
  switch (step.outcome) {
    case SaslClient::Outcome::failed:
      give_up(step.failure);
      return;
    case SaslClient::Outcome::done:
      ask(kafka::encode_metadata(CorrelationId{++correlation_id_}, client_id), Stage::metadata);
      return;
    case SaslClient::Outcome::send:
      ask(kafka::encode_sasl_authenticate(CorrelationId{++correlation_id_}, client_id, authenticate_version,
                                          step.token),
          Stage::authenticate);
      wipe(step.token);
      return;
  }
}

void Discovery::on_metadata(std::span<const std::byte> frame) {
  const auto answer = kafka::decode_metadata(frame, CorrelationId{correlation_id_});
  if (!answer) {
    give_up(answer.error().text);
    return;
  }
  std::vector<kafka::BrokerEntry> brokers;
  for (const kafka::AdvertisedBroker& broker : answer->brokers) {
    brokers.push_back({broker.id, broker.where.host, broker.where.port});
  }
  if (brokers.empty()) {
    give_up("it lists no broker yet");
    return;
  }
  kafka::BrokerList list;
  list.source = kafka::metadata_key;
  list.full = true;
  if (answer->cluster_id) list.cluster_id = *answer->cluster_id;
  list.brokers = brokers;
  ClusterState& cluster = worker_.cluster(cluster_);
  Origin origin{targets_[target_].bootstrap, false};
  const bool first = worker_.snapshot(cluster_).nodes.empty();
  if (!cluster.topology.learn(list, origin, worker_.now())) {
    give_up("another cluster answers there");
    return;
  }
  learnt_ = true;
  if (first) {
    std::string text = "cluster " + cluster.config.name + " has " + counted(brokers.size(), "broker") + ":";
    for (const kafka::BrokerEntry& broker : brokers) text += " " + std::to_string(number(broker.id));
    worker_.engine().log.write({Severity::info, "discovered", cluster.config.name, std::move(text)});
  }
  close();
}

// --- ends

void Discovery::give_up(const std::string& why) {
  if (!again_) tried_ += " " + to_string(targets_[target_].address) + " (" + why + ")";
  close();
}

void Discovery::close() {
  if (stage_ == Stage::closing) return;
  stage_ = Stage::closing;
  sasl_.reset();
  tls_.reset();
  if (connecting_) worker_.ring().cancel(token(Operation::connect));
  if (sending_) worker_.ring().cancel(token(Operation::send));
  if (receiving_) worker_.ring().cancel(token(Operation::receive));
  on_closed();
}

void Discovery::on_closed() {
  if (connecting_ || sending_ || receiving_) return;
  if (socket_ != ring::Socket::none) worker_.ring().close(std::exchange(socket_, ring::Socket::none), false);
  if (stopping_) return;
  if (learnt_) {
    end_round();
    return;
  }
  if (!std::exchange(again_, false)) ++address_;
  next_address();
}

void Discovery::end_round() {
  stage_ = Stage::waiting;
  if (learnt_) {
    backoff_ = {};
    warned_ = false;
    set_alarm(seconds(worker_.limits().discovery_interval_s));
    return;
  }
  const std::string& name = worker_.cluster(cluster_).config.name;
  if (!std::exchange(warned_, true)) {
    worker_.engine().log.write(
        {Severity::warning, "discovery_failed", name,
         "cannot ask cluster " + name + " for its brokers: tried" + tried_ +
             ": trying again; clients are served all the same, and what passes is learnt"});
  }
  backoff_ = std::clamp(backoff_ * 2, backoff_min, backoff_max);
  set_alarm(backoff_);
}

void Discovery::on_completion(int kind, const ring::Completion& completion) {
  switch (static_cast<Operation>(kind)) {
    case Operation::connect:
      on_connected(completion.result);
      return;
    case Operation::send:
      on_sent(completion.result);
      return;
    case Operation::receive:
      on_received(completion);
      return;
    case Operation::alarm:
      on_alarm();
      return;
  }
  KFERRY_ASSERT(false);
}

}  // namespace kferry::proxy
