#include "proxy/session.h"

#include <utility>

#include "base/assert.h"
#include "proxy/audit_trail.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

}  // namespace

Session::Session(Worker& worker, ring::Token id, const Place& place, Visitor visitor)
    : link_(worker, place, std::move(visitor)),
      legs_(worker.legs(), *this, id, {id.slot, id.generation, broker_kind}, place.policy(), *this, link_,
            worker.counters()) {
  legs_.client.take(visitor.socket);
}

Session::~Session() {
  KFERRY_ASSERT(legs_.client.outstanding() + legs_.broker.outstanding() == 0 && !deadline_.armed());
}

void Session::start() {
  if (AuditSink* const sink = worker().runtime().audit) begin_trail(sink);
  if (link_.place().port().sharing.empty()) begin_to_count();
  set_deadline(Wait::first_byte, milliseconds(worker().limits().first_byte_timeout_ms));
  legs_.client.begin(link_.client_transport(legs_.client.socket(), legs_.frames.conversation()));
  legs_.client.receive();
}

// --- completions

void Session::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < kinds && !finished());
  if (kind == timer_kind) return on_deadline();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  Leg& leg = kind < broker_kind ? legs_.client : legs_.broker;
  leg.on_completion(static_cast<Leg::Operation>(kind % Leg::operations), completion);
}

void Session::on_input(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  if (leg.ended())
    note_cause(leg.remote() == Remote::client ? CloseCause::client_closed : CloseCause::broker_closed);
  if (leg.remote() == Remote::broker) {
    link_.heard(worker().now());
    const bool client_first = legs_.client.ended() || phase_ != Phase::serving;
    pump();
    link_.note_answer(legs_.frames.answered());
    if (leg.ended() && !client_first) note_broken();
    return;
  }
  if (leg.ended()) report_silence();
  const bool shaking_hands = leg.stage() == Leg::Stage::handshaking;
  if (wait_ == Wait::first_byte && shaking_hands && leg.tls()->heard())
    set_deadline(Wait::handshake, milliseconds(worker().limits().tls_handshake_timeout_ms));
  if (wait_ == Wait::handshake && !shaking_hands) {
    begin_to_count();  // its listener is known, where there was a choice
    legs_.meter.shook_hands(*legs_.client.tls());
    set_deadline(Wait::first_byte, milliseconds(worker().limits().first_byte_timeout_ms));
  }
  pump();
}

void Session::on_output(Leg& leg, std::size_t sent) {
  KFERRY_ASSERT(state_ != State::closing);
  leg.remote() == Remote::client ? legs_.meter.sent_to_client(sent) : legs_.meter.sent_to_broker(sent);
  if (trail_ != nullptr) note_sent(leg.remote(), sent);
  pump();
}

void Session::on_spliced(Leg& leg, std::uint64_t size) {
  KFERRY_ASSERT(state_ == State::open);
  legs_.frames.skip(leg.remote(), size);
  if (trail_ != nullptr) note_sent(legs_.other(leg).remote(), size);
  if (leg.remote() == Remote::client) {
    legs_.meter.spliced_to_broker(size);
  } else {
    legs_.meter.spliced_to_client(size);
    link_.heard(worker().now());
    link_.note_answer(legs_.frames.answered());
  }
  pump();
}

void Session::on_starved(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  worker().starve(leg.id());
}

void Session::receive_again(Remote from) {
  if (state_ == State::closing) return;
  if (from == Remote::broker && state_ == State::dialling) return dial_->resume();
  (from == Remote::client ? legs_.client : legs_.broker).receive_again();
  pump();
}

void Session::give_buffers_back(Instant since) {
  if (state_ == State::closing) return;
  legs_.client.give_buffers_back(since);
  legs_.broker.give_buffers_back(since);
}

// --- the flow

void Session::pump() {
  legs_.note_taken();
  if (legs_.frames.has_responses()) walk_responses();
  if (legs_.frames.has_requests()) walk_requests();
  if (state_ == State::closing) return;
  if (legs_.frames.may_look_ahead()) look_ahead();
  const bool open = state_ == State::open;
  legs_.client.hand_over();
  if (open) legs_.broker.hand_over();
  // Nothing is spliced before the broker's leg is open.
  const std::uint64_t splice_min = open ? worker().legs().splice_min : UINT64_MAX;
  if (open && phase_ != Phase::delivering) legs_.send(legs_.broker, splice_min, ahead());
  legs_.send(legs_.client, splice_min, ahead());
  if (phase_ != Phase::delivering) {
    if (!requests_stopped()) legs_.pull(legs_.client, splice_min);
    if (open) legs_.pull(legs_.broker, splice_min);
  }
  if (legs_.client.cannot_send() || legs_.broker.cannot_send()) set_deadline(Wait::drain, Duration::zero());
  if (legs_.any_ended()) pass_on_ends();
  if (phase_ != Phase::serving) end_if_done();
  legs_.wake_awaited_sends();
  if (looks_ == Looks::none && state_ != State::closing && wants_looks()) {
    looks_ = Looks::taken;
    worker().look_after(legs_.client.id());
  }
}

void Session::walk_requests() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  switch (legs_.frames.walk_requests(2 * worker().legs().receive_size)) {
    case FrameFlow::Walk::refused:
      return fail(Severity::warning, "stand_in_refused", std::move(worker().refusal()));
    case FrameFlow::Walk::failed: {
      const Failure& failure = legs_.frames.request_failure();
      return fail(Severity::warning, failure.cause, failure.text);
    }
    case FrameFlow::Walk::judge_waits:
      return ask_for_map();
    case FrameFlow::Walk::input:
    case FrameFlow::Walk::full:
    case FrameFlow::Walk::unread:
      return;
  }
}

void Session::walk_responses() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  if (legs_.frames.walk_responses() == FrameFlow::Walk::input) {
    if (legs_.meter.timing() && !legs_.frames.at_boundary(Remote::broker)) legs_.meter.answer_begun();
    return;
  }
  const Failure& failure = legs_.frames.response_failure();
  fail(Severity::error, failure.cause, failure.text + " (from broker " + to_string(link_.dialled()) + ")");
}

void Session::look_ahead() {
  const config::Engine& options = worker().engine_options();
  if (options.splice_threshold_bytes == 0 || !worker().can_peek() || state_ != State::open) return;
  const auto outcome = legs_.look_ahead(worker().ring(), options.look_ahead_bytes);
  if (outcome == LookAhead::Outcome::unsupported) worker().note_no_peeking();
}

}  // namespace kferry::proxy
