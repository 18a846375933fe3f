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
    : worker_(worker),
      link_(worker, place, std::move(visitor)),
      frames_(worker.pool(), place.policy(), *this, link_),
      meter_(worker.counters()),
      client_(worker.legs(), *this, Remote::client, id, frames_.requests(), frames_.responses()),
      broker_(worker.legs(), *this, Remote::broker, {id.slot, id.generation, broker_kind},
              frames_.responses(), frames_.requests()) {
  client_.take(visitor.socket);
  frames_.conversation().observe(&meter_);
}

Session::~Session() {
  KFERRY_ASSERT(client_.outstanding() + broker_.outstanding() == 0 && !deadline_.armed());
}

void Session::start() {
  if (AuditSink* const sink = worker_.runtime().audit) begin_trail(sink);
  if (link_.place().port().sharing.empty()) begin_to_count();
  set_deadline(Wait::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  client_.begin(link_.client_transport(client_.socket(), frames_.conversation()));
  client_.receive();
}

// --- completions

void Session::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < kinds && !finished());
  if (kind == timer_kind) return on_deadline();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  Leg& leg = kind < broker_kind ? client_ : broker_;
  leg.on_completion(static_cast<Leg::Operation>(kind % Leg::operations), completion);
}

void Session::on_input(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  if (leg.ended())
    note_cause(leg.remote() == Remote::client ? CloseCause::client_closed : CloseCause::broker_closed);
  if (leg.remote() == Remote::broker) {
    link_.heard(worker_.now());
    const bool client_first = client_.ended() || phase_ != Phase::serving;
    pump();
    link_.note_answer(frames_.answered());
    if (leg.ended() && !client_first) note_broken();
    return;
  }
  if (leg.ended()) report_silence();
  const bool shaking_hands = leg.stage() == Leg::Stage::handshaking;
  if (wait_ == Wait::first_byte && shaking_hands && leg.tls()->heard())
    set_deadline(Wait::handshake, milliseconds(worker_.limits().tls_handshake_timeout_ms));
  if (wait_ == Wait::handshake && !shaking_hands) {
    note_handshake(HandshakeCounters::complete);
    set_deadline(Wait::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  }
  pump();
}

void Session::on_output(Leg& leg, std::size_t sent) {
  KFERRY_ASSERT(state_ != State::closing);
  leg.remote() == Remote::client ? meter_.sent_to_client(sent) : meter_.sent_to_broker(sent);
  if (trail_ != nullptr) note_sent(leg.remote(), sent);
  pump();
}

void Session::on_spliced(Leg& leg, std::uint64_t size) {
  KFERRY_ASSERT(state_ == State::open);
  frames_.skip(leg.remote(), size);
  if (trail_ != nullptr) note_sent(other(leg).remote(), size);
  if (leg.remote() == Remote::client) {
    meter_.spliced_to_broker(size);
  } else {
    meter_.spliced_to_client(size);
    link_.heard(worker_.now());
    link_.note_answer(frames_.answered());
  }
  pump();
}

void Session::on_starved(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  worker_.starve(leg.id());
}

void Session::receive_again(Remote from) {
  if (state_ == State::closing) return;
  if (from == Remote::broker && state_ == State::dialling) return dial_->resume();
  (from == Remote::client ? client_ : broker_).receive_again();
  pump();
}

void Session::give_buffers_back(Instant since) {
  if (state_ == State::closing) return;
  client_.give_buffers_back(since);
  broker_.give_buffers_back(since);
}

// --- the flow

void Session::pump() {
  if (meter_.awaits_sockets()) note_taken();
  if (frames_.has_responses()) walk_responses();
  if (frames_.has_requests()) walk_requests();
  if (state_ == State::closing) return;
  if (frames_.may_look_ahead()) look_ahead();
  const bool open = state_ == State::open;
  client_.hand_over();
  if (open) broker_.hand_over();
  if (open && phase_ != Phase::delivering && broker_.may_send()) send(broker_);
  if (client_.may_send()) send(client_);
  if (phase_ != Phase::delivering) {
    if (!requests_stopped()) pull(client_);
    if (open) pull(broker_);
  }
  if (client_.cannot_send() || broker_.cannot_send()) set_deadline(Wait::drain, Duration::zero());
  if (client_.ended() || broker_.ended()) pass_on_ends();
  if (phase_ != Phase::serving) end_if_done();
  // What is read next may depend on a deferred send alone: on its room, on its end, or on the splice that follows it.
  const auto unheard = [](const Leg& to, const Leg& from) {
    return to.deferred() && !from.receiving() && !from.splicing();
  };
  if (unheard(client_, broker_)) client_.expedite();
  if (unheard(broker_, client_)) broker_.expedite();
  if (!looked_after_ && state_ != State::closing && wants_looks()) {
    looked_after_ = true;
    worker_.look_after(client_.id());
  }
}

void Session::walk_requests() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  switch (frames_.walk_requests(2 * worker_.legs().receive_size)) {
    case FrameFlow::Walk::refused:
      return fail(Severity::warning, "stand_in_refused", std::move(worker_.refusal()));
    case FrameFlow::Walk::failed: {
      const Failure& failure = frames_.request_failure();
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
  if (frames_.walk_responses() == FrameFlow::Walk::input) {
    if (meter_.timing() && !frames_.at_boundary(Remote::broker)) meter_.answer_begun();
    return;
  }
  const Failure& failure = frames_.response_failure();
  fail(Severity::error, failure.cause, failure.text + " (from broker " + to_string(link_.dialled()) + ")");
}

void Session::look_ahead() {
  const config::Engine& options = worker_.engine_options();
  if (options.look_ahead_bytes == 0 || options.splice_threshold_bytes == 0 || !worker_.can_peek()) return;
  if (state_ != State::open || !broker_.can_peek() || !broker_.can_splice_to(client_)) return;
  const auto outcome = frames_.look_ahead(worker_.ring(), broker_.socket(), options.look_ahead_bytes);
  if (outcome == LookAhead::Outcome::unsupported) worker_.note_no_peeking();
}

void Session::send(Leg& to) {
  if (!to.may_send()) return;
  const Leg& from = other(to);
  const std::uint64_t run = frames_.opaque_run(from.remote());
  const bool splice_follows = run > 0 && splice_wanted(from, run);
  const auto completion = ending() || splice_follows ? Leg::Completion::at_once : Leg::Completion::deferrable;
  const bool more = splice_follows || (run > 0 && !from.ended() && frames_.frame_continues(from.remote()));
  const bool pending = to.sending();
  to.send(completion, more ? connection::Follow::more : connection::Follow::nothing);
  if (!pending && to.sending() && meter_.timing()) note_handed(to);
}

void Session::pull(Leg& from) {
  const std::uint64_t run = frames_.opaque_run(from.remote());
  if (run > 0 && splice_wanted(from, run) && from.splice_to(other(from), run)) return;
  from.receive();
}

bool Session::splice_wanted(const Leg& from, std::uint64_t run) const {
  return run >= worker_.legs().splice_min && state_ == State::open && from.can_splice_to(other(from));
}

}  // namespace kferry::proxy
