#include "proxy/own_connection.h"

#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/secret.h"
#include "kafka/client_codec.h"

namespace kferry::proxy {

OwnConnection::OwnConnection(Leg::Shared& shared, ring::Token first)
    : shared_(shared),
      alarm_(shared.ring,
             {first.slot, first.generation, static_cast<std::uint16_t>(first.kind + alarm_kind)}),
      input_(shared.pool),
      output_(shared.pool),
      leg_(shared, *this, tls::Remote::broker, first, input_, output_) {}

void OwnConnection::stop() {
  link_ = Link::stopped;
  alarm_.cancel();
  leg_.close(false);
  if (dial_ != nullptr) dial_->close();
}

void OwnConnection::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < operations && !stopped());
  if (kind == alarm_kind) return on_alarm();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  leg_.on_completion(static_cast<Leg::Operation>(kind), completion);
}

// --- time

void OwnConnection::set_alarm(Duration in) {
  alarm_wanted_ = true;
  alarm_.set(shared_.ring.now() + in);
}

void OwnConnection::on_alarm() {
  if (!alarm_.on_timer(alarm_wanted_ && link_ != Link::stopped)) return;
  alarm_wanted_ = false;
  if (idle()) return on_idle_alarm();
  if (dialling()) return dial_->on_deadline();
  if (connected()) reject(std::string(late_text()));
}

// --- the dial

void OwnConnection::dial(std::vector<connection::Candidate> candidates,
                         const connection::Dialler::Timeouts& timeouts, net::AddressMemory* memory) {
  KFERRY_ASSERT(idle());
  link_ = Link::dialling;
  const ring::Token first = leg_.id();
  connection::Dialler::Host& host = *this;
  dial_ = std::make_unique<connection::Dialler>(
      host, leg_, shared_, no_kernel_tls_, timeouts,
      ring::Token{first.slot, first.generation, static_cast<std::uint16_t>(first.kind + dial_kind)}, memory);
  dial_->start(std::move(candidates));
}

void OwnConnection::set_dial_deadline(Duration in) {
  set_alarm(in);
}

void OwnConnection::clear_dial_deadline() {
  alarm_wanted_ = false;
}

void OwnConnection::on_not_dialled(int /*local_error*/) {
  KFERRY_ASSERT(dialling());
  link_ = Link::idle;
  on_all_failed();
}

void OwnConnection::on_dialled(const connection::Candidate& /*candidate*/) {
  KFERRY_ASSERT(dialling());
  leg_.set_owner(*this);
  input_.clear();
  output_.clear();
  incoming_.clear();
  link_ = Link::asking;
  set_alarm(answer_timeout);
  on_connected(leg_.socket());
}

// --- questions and answers

void OwnConnection::ask(std::vector<std::byte> request) {
  KFERRY_ASSERT(connected());
  link_ = Link::asking;
  output_.insert_secret(request);
  wipe(request);
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  leg_.receive();
}

void OwnConnection::hold() {
  KFERRY_ASSERT(link_ == Link::asking);
  link_ = Link::holding;
}

void OwnConnection::on_output(Leg& /*leg*/, std::size_t /*sent*/) {
  KFERRY_ASSERT(connected());
  leg_.send(Leg::Completion::at_once, connection::Follow::nothing);
  take_answer();
}

void OwnConnection::on_input(Leg& /*leg*/) {
  KFERRY_ASSERT(connected());
  input_.take_input(incoming_);
  leg_.send(Leg::Completion::at_once,
            connection::Follow::nothing);  // TLS may have something of its own to say
  take_answer();
}

// The answer may be here before the completion of the send that asked for it.
void OwnConnection::take_answer() {
  if (leg_.sending() || link_ == Link::holding) return;
  if (incoming_.size() >= 4) {
    const auto size = kafka::frame_size(std::span<const std::byte, 4>(incoming_.data(), 4));
    if (!size) return reject(size.error().text);
    if (incoming_.size() >= 4 + *size) {
      const std::vector<std::byte> whole = std::exchange(incoming_, {});
      return on_answer(std::span(whole).subspan(4));
    }
  }
  if (leg_.ended()) return reject(std::string(closed_text()));
  leg_.receive();
}

// --- the end of a connection

void OwnConnection::reject(std::string why) {
  KFERRY_ASSERT(connected());
  link_ = Link::dialling;
  alarm_wanted_ = false;
  on_rejected();
  dial_->reject(std::move(why));
}

void OwnConnection::leave() {
  KFERRY_ASSERT(connected());
  link_ = Link::leaving;
  leg_.abandon(false);
}

void OwnConnection::on_break(Leg& leg, const Leg::Break& what) {
  KFERRY_ASSERT(connected());
  const bool by_tls = what.how == Leg::Break::How::tls || what.how == Leg::Break::How::truncated;
  reject(by_tls ? leg.transport().failure().text : std::strerror(what.error));
}

void OwnConnection::on_left(Leg& /*leg*/) {
  KFERRY_ASSERT(link_ == Link::leaving);
  link_ = Link::idle;
  alarm_wanted_ = false;
  on_left_upstream();
}

// --- buffers

void OwnConnection::on_starved(Leg& /*leg*/) {
  starve();
}

void OwnConnection::on_dial_starved() {
  starve();
}

void OwnConnection::receive_again() {
  if (dialling()) return dial_->resume();
  if (!connected()) return;
  leg_.receive_again();
  leg_.receive();
}

}  // namespace kferry::proxy
