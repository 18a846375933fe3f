// How a session ends: its one deadline, what breaks, looks at silent sides, and the close rules.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "proxy/audit_trail.h"
#include "proxy/close_table.h"
#include "proxy/close_texts.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

// A client that leaves after its broker has said nothing for this long indicates a broker that hangs.
constexpr Duration silence_worth_a_line = seconds(10);
// What is queued when a session is ended is delivered within this time, or dropped.
constexpr Duration drain_timeout = seconds(5);
// A dial whose client has ended.
constexpr Duration dial_after_end = seconds(5);

}  // namespace

// --- time

connection::SlimDeadline::Timer Session::timer() const {
  const ring::Token client = legs_.client.id();
  return {worker().ring(), {client.slot, client.generation, timer_kind}};
}

void Session::set_deadline(Wait wait, Duration in) {
  wait_ = wait;
  deadline_.set(timer(), worker().now() + in);
}

void Session::on_deadline() {
  KFERRY_ASSERT(!finished());
  if (!deadline_.on_timer(timer(), state_ != State::closing && wait_ != Wait::none)) return;
  switch (std::exchange(wait_, Wait::none)) {
    case Wait::none:
      return;
    case Wait::first_byte:
      if (!legs_.frames.received_anything())
        return close(false, false,
                     retirement_.is_plan_gone() ? CloseCause::reload : CloseCause::client_timeout);
      return fail(
          Severity::warning, "first_request_too_slow",
          "the first request header was not complete in time: not a Kafka client, or a very slow one");
    case Wait::handshake:
      legs_.meter.handshake_failed();
      return fail(Severity::warning, "tls_handshake_timeout",
                  handshake_timeout_text(worker().limits().tls_handshake_timeout_ms,
                                         legs_.client.tls()->handshake_state()));
    case Wait::dial:
      return dial_->on_deadline();
    case Wait::map:
      link_.end_question();
      return pump();
    case Wait::retire:
      return begin_retirement();
    case Wait::drain:
      return give_up_answers();
    case Wait::deliver:
      return close(true, true, CloseCause::internal);
  }
}

// --- breaks

void Session::on_break(Leg& leg, const Leg::Break& what) {
  KFERRY_ASSERT(state_ != State::closing);
  using How = Leg::Break::How;
  if (what.how == How::tls) return on_tls_break(leg);
  if (what.how == How::keys_lost) {
    const bool by_broker = leg.remote() == Remote::broker;
    response_cut_ = response_cut_ || (by_broker && !legs_.frames.at_boundary(Remote::broker));
    return fail(Severity::warning, "tls_key_update", key_update_text(by_broker ? &link_.dialled() : nullptr));
  }
  const BreakStep step = break_step(leg.remote(), what.how, close_state());
  if (step.broker_broke) note_broken();
  if (step.report == BreakStep::Report::silence) report_silence();
  if (step.report == BreakStep::Report::cut)
    report_cut(what.how == How::truncated ? "it ended without close_notify" : std::strerror(what.error));
  const CloseCause by_client =
      what.error == ETIMEDOUT ? CloseCause::client_timeout : CloseCause::client_reset;
  close(step.reset_client, step.reset_broker,
        leg.remote() == Remote::broker ? CloseCause::broker_reset : by_client);
}

void Session::on_tls_break(Leg& leg) {
  const Failure& failure = leg.transport().failure();
  if (leg.remote() == Remote::broker) {
    // What is missing of a response is not passed off as complete.
    response_cut_ = response_cut_ || !legs_.frames.at_boundary(Remote::broker);
    return fail(Severity::error, failure.cause,
                failure.text + " (broker " + to_string(link_.dialled()) + ")");
  }
  if (leg.stage() == Leg::Stage::handshaking) {
    legs_.meter.handshake_failed();
    if (trail_ != nullptr) trail_->on_handshake_failed(failure.cause);
  }
  std::string text = failure.text;
  if (failure.cause == "server_name_unknown" && link_.place().listener().sni) {
    text += ": this port serves " + view().plan().names_text(link_.place().port()) +
            ": let clients come by these names, or correct the host patterns";
  }
  fail(Severity::warning, failure.cause, std::move(text));
}

// The key is exhausted by our own count, or the other side asks for another one.
void Session::on_key_exhausted(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ != State::closing);
  if (phase_ == Phase::stopping || wait_ == Wait::retire) return;
  log(Severity::info, "tls_key_used_up", key_used_up_text());
  note_cause(CloseCause::max_age);
  set_deadline(Wait::retire, Duration::zero());
}

// --- looks

void Session::glance() {
  if (state_ != State::open || looks_ != Looks::none || legs_.frames.conversation().fetches) return;
  if (worker().now() - link_.heard_at() > 2 * SideWatch::glance_interval) return;
  if (!legs_.client.tcp_state().undelivered) return;
  looks_ = Looks::unread;
  worker().look_after(legs_.client.id());
}

bool Session::look(SideWatch& watch) {
  using Verdict = SideWatch::Verdict;
  if (state_ == State::closing || !wants_looks()) {
    looks_ = Looks::none;
    return false;
  }
  // Where bytes flow, completions tell everything.
  const bool quiet =
      watch.is_quiet(std::max({link_.heard_at(), legs_.client.send_since(), legs_.broker.send_since()}));
  const bool stuck =
      legs_.client.sending() && worker().now() - legs_.client.send_since() >= SideWatch::interval;
  if (!quiet && !stuck && looks_ != Looks::unread && !legs_.client.ended() && !legs_.broker.ended())
    return true;
  const auto sides = sides_of(legs_.client, legs_.broker, upstream(), legs_.frames.conversation(),
                              worker().now(), worker().limits());
  looks_ = sides.client.undelivered ? Looks::unread : Looks::taken;
  const Verdict verdict = watch.judge(sides);
  if (sides.client.ended) legs_.client.note_peer_ended();
  if (sides.broker.ended) legs_.broker.note_peer_ended();
  switch (verdict) {
    case Verdict::wait:
      return true;
    case Verdict::client_left:
      dial_->shorten(dial_after_end);
      break;
    case Verdict::client_reset:
      on_break(legs_.client, {Leg::Break::How::receiving, ECONNRESET});
      break;
    case Verdict::client_gone:
    case Verdict::broker_gone:
      on_break(verdict == Verdict::client_gone ? legs_.client : legs_.broker,
               {Leg::Break::How::receiving, ETIMEDOUT});
      break;
    case Verdict::unread:
    case Verdict::stalled:
      end_stalled_client(sides.client, verdict);
      break;
    case Verdict::silent:
    case Verdict::undeliverable:
      report_silence();
      // What was not delivered whole must not look complete.
      close(true,
            verdict == Verdict::undeliverable || !legs_.frames.requests().empty() || !legs_.client.ended(),
            CloseCause::client_closed);
      break;
  }
  if (state_ == State::closing || phase_ == Phase::delivering) looks_ = Looks::none;
  return looks_ != Looks::none;
}

// The client neither takes what waits for it nor closes.
void Session::end_stalled_client(const ring::TcpState& client, SideWatch::Verdict verdict) {
  const bool told = legs_.client.shut() && !legs_.client.sending() && legs_.frames.responses().empty() &&
                    !client.undelivered;
  if (!told) log(Severity::info, "client_stalled", client_stalled_text(link_.dialled(), verdict));
  close(!told, !legs_.broker.ended(), CloseCause::client_timeout);
}

// --- the close rules

Upstream Session::upstream() const {
  if (state_ == State::accepted) return Upstream::none;
  return state_ == State::open ? Upstream::open : Upstream::dialling;
}

void Session::pass_on_ends() {
  while (state_ != State::closing && phase_ != Phase::delivering &&
         (legs_.client.ended() || legs_.broker.ended())) {
    switch (next_close_step(close_state())) {
      case CloseStep::none:
        return;
      case CloseStep::close:
        return close(false, false, CloseCause::client_closed);
      case CloseStep::shut_client_reset:
        if (shut_client()) close(false, true, CloseCause::client_closed);
        return;
      case CloseStep::shut_broker:
        if (!legs_.broker.shut_write(false)) return;
        break;
      case CloseStep::shut_client:
        if (!shut_client()) return;
        break;
      case CloseStep::first_header_cut:
        return fail(Severity::warning, "header_cut_short",
                    "the client closed inside its first request header: not a Kafka client, or its "
                    "connection was cut");
      case CloseStep::header_cut:
        return fail(Severity::warning, "header_cut_short",
                    "the client closed inside a request header: its connection was cut");
      case CloseStep::response_cut:
        response_cut_ = true;  // though nothing of it may have left yet
        return fail(Severity::warning, "response_cut_short", response_cut_text(link_.dialled()));
    }
  }
}

// A session that takes no more requests ends when everything is answered and delivered.
void Session::end_if_done() {
  if (state_ == State::closing) return;
  if (phase_ == Phase::delivering && legs_.client.delivered()) {
    const bool cut = response_cut_ || legs_.frames.response_cut();
    if (legs_.client.tls() != nullptr && !cut && !shut_client()) return;
    const bool request_cut = !legs_.frames.at_boundary(Remote::client) ||
                             legs_.frames.requests().ready_size() > 0 || legs_.broker.sending();
    return close(cut, request_cut, CloseCause::internal);
  }
  if (!requests_stopped() || legs_.frames.requests().ready_size() > 0 || legs_.broker.sending()) return;
  if (!legs_.frames.conversation().empty() || !legs_.client.delivered() || !legs_.frames.responses().empty())
    return;
  if (!shut_client()) return;
  if (legs_.broker.tls() != nullptr && state_ == State::open && !legs_.broker.shut_write(false)) return;
  lingers_ = !legs_.client.ended();
  close(false, false, retirement_.draining() ? CloseCause::drain_completed : CloseCause::reload);
}

// --- reading stops first: the session is retired, or kferry drains

void Session::begin_retirement() {
  const kafka::Conversation& conversation = legs_.frames.conversation();
  if (retirement_.waits_for_group(conversation)) return set_deadline(Wait::retire, Retirement::step);
  note_cause(CloseCause::reload);
  stop_reading(Retirement::answers_within(conversation, seconds(worker().limits().drain_deadline_s)));
}

bool Session::end_by_age() {
  if (state_ == State::closing || phase_ != Phase::serving || wait_ == Wait::retire) return true;
  if (retirement_.draining()) return true;
  if (state_ != State::open || wait_ != Wait::none) return false;
  log(Severity::debug, "max_age_reached",
      "the connection is as old as max_connection_age_s allows, and ends");
  note_cause(CloseCause::max_age);
  set_deadline(Wait::retire, Duration::zero());
  return true;
}

void Session::stop_reading(Duration patience) {
  phase_ = Phase::stopping;
  legs_.expedite();
  set_deadline(Wait::drain, patience);
  pump();
}

void Session::drain_step(bool expired) {
  using Seen = Retirement::Seen;
  if (!retirement_.draining() || state_ == State::closing) return;
  if (expired) return give_up_answers();
  if (phase_ != Phase::serving || legs_.client.shut()) return;
  const bool heard = worker().now() - link_.heard_at() < Retirement::drain_interval;
  Seen seen = heard || !legs_.frames.conversation().empty() ? Seen::busy : Seen::idle;
  if (state_ == State::dialling || legs_.frames.request_waits()) seen = Seen::waiting;
  if (state_ == State::accepted && !legs_.client.ended()) seen = Seen::newcomer;
  if (retirement_.stops_reading(seen))
    stop_reading(std::max(Duration::zero(), worker().drain_until() - worker().now()));
}

ring::Socket Session::take_lingering() {
  KFERRY_ASSERT(finished());
  return lingers_ ? legs_.client.release() : ring::Socket::none;
}

// --- what is said

void Session::log(Severity severity, std::string_view cause, std::string text) {
  const Place& place = link_.place();
  worker().runtime().log.write({severity, cause, link_.client_address().host_text(),
                                "listener " + place.listener().name + " port " +
                                    std::to_string(place.port().address.port()) + ": " + std::move(text),
                                worker().session_id(slot())});
}

// The client waits for an answer of its broker's.
bool Session::answer_awaited() const {
  return state_ == State::open && !legs_.frames.conversation().empty() && phase_ != Phase::delivering;
}

// The broker's side broke with requests unanswered; without any, a broker that restarts is no news.
void Session::report_cut(const char* how) {
  if (!answer_awaited() || link_.limited()) return;
  log(Severity::warning, "broker_cut", broker_cut_text(link_.dialled(), how, legs_.frames.conversation()));
}

// The client leaves a broker that has long said nothing.
void Session::report_silence() {
  const Duration silence = worker().now() - link_.heard_at();
  if (!answer_awaited() || silence < silence_worth_a_line) return;
  if (!legs_.frames.answered()) link_.note_broken(false, false, legs_.frames.conversation());
  log(Severity::warning, "broker_silent",
      broker_silent_text(link_.dialled(), silence, legs_.frames.conversation()));
}

void Session::fail(Severity severity, std::string_view cause, std::string text) {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  log(severity, cause, std::move(text));
  note_cause(close_cause_of(cause));
  phase_ = Phase::delivering;
  // From here on the session waits for its sends alone.
  legs_.expedite();
  set_deadline(Wait::deliver, drain_timeout);
  legs_.send(legs_.client, UINT64_MAX, LegPair::Ahead::nothing);
  end_if_done();
}

void Session::give_up_answers() {
  if (!legs_.frames.conversation().empty())
    log(Severity::info, "retirement_cut", retirement_cut_text(link_.dialled(), legs_.frames.conversation()));
  if (retirement_.draining()) return abort();
  close(true, true, CloseCause::max_age);
}

void Session::abort() {
  if (state_ == State::closing) return;
  if (retirement_.end_drain()) worker().runtime().drain.note_ended(false);
  close(true, true, CloseCause::drain_timeout);
}

void Session::close(bool reset_client, bool reset_broker, CloseCause cause) {
  KFERRY_ASSERT(state_ != State::closing);
  if (retirement_.draining()) worker().runtime().drain.note_ended(true);
  begin_to_count();
  note_cause(cause);
  if (trail_ != nullptr) trail_->on_end(cause_, worker().now());
  legs_.meter.end(cause_, legs_.untouched());
  state_ = State::closing;
  link_.end_question();
  legs_.close(reset_client, reset_broker);
  if (dial_ != nullptr) dial_->close();
  deadline_.cancel(timer());
}

}  // namespace kferry::proxy
