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
  return {worker_.ring(), {client_.id().slot, client_.id().generation, timer_kind}};
}

void Session::set_deadline(Wait wait, Duration in) {
  wait_ = wait;
  deadline_.set(timer(), worker_.now() + in);
}

void Session::on_deadline() {
  KFERRY_ASSERT(!finished());
  if (!deadline_.on_timer(timer(), state_ != State::closing && wait_ != Wait::none)) return;
  switch (std::exchange(wait_, Wait::none)) {
    case Wait::none:
      return;
    case Wait::first_byte:
      if (!frames_.received_anything())
        return close(false, false, leaving_ ? CloseCause::reload : CloseCause::client_timeout);
      return fail(
          Severity::warning, "first_request_too_slow",
          "the first request header was not complete in time: not a Kafka client, or a very slow one");
    case Wait::handshake:
      note_handshake(HandshakeCounters::failed);
      return fail(Severity::warning, "tls_handshake_timeout",
                  handshake_timeout_text(worker_.limits().tls_handshake_timeout_ms,
                                         client_.tls()->handshake_state()));
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
    response_cut_ = response_cut_ || (by_broker && !frames_.at_boundary(Remote::broker));
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
    response_cut_ = response_cut_ || !frames_.at_boundary(Remote::broker);
    return fail(Severity::error, failure.cause,
                failure.text + " (broker " + to_string(link_.dialled()) + ")");
  }
  if (leg.stage() == Leg::Stage::handshaking) {
    note_handshake(HandshakeCounters::failed);
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

bool Session::look(SideWatch& watch) {
  using Verdict = SideWatch::Verdict;
  looked_after_ = state_ != State::closing && wants_looks();
  if (!looked_after_) return false;
  // Where bytes flow, completions tell everything.
  const bool quiet = watch.is_quiet(std::max({link_.heard_at(), client_.send_since(), broker_.send_since()}));
  const bool stuck = client_.sending() && worker_.now() - client_.send_since() >= SideWatch::interval;
  if (!quiet && !stuck && !client_.ended() && !broker_.ended()) return true;
  const auto sides =
      sides_of(client_, broker_, upstream(), frames_.conversation(), worker_.now(), worker_.limits());
  const Verdict verdict = watch.judge(sides);
  if (sides.client.ended) client_.note_peer_ended();
  if (sides.broker.ended) broker_.note_peer_ended();
  switch (verdict) {
    case Verdict::wait:
      return true;
    case Verdict::client_left:
      dial_->shorten(dial_after_end);
      break;
    case Verdict::client_reset:
      on_break(client_, {Leg::Break::How::receiving, ECONNRESET});
      break;
    case Verdict::client_gone:
    case Verdict::broker_gone:
      on_break(verdict == Verdict::client_gone ? client_ : broker_, {Leg::Break::How::receiving, ETIMEDOUT});
      break;
    case Verdict::unread:
    case Verdict::stalled:
      end_stalled_client(sides.client, verdict);
      break;
    case Verdict::silent:
    case Verdict::undeliverable:
      report_silence();
      // What was not delivered whole must not look complete.
      close(true, verdict == Verdict::undeliverable || !frames_.requests().empty() || !client_.ended(),
            CloseCause::client_closed);
      break;
  }
  looked_after_ = state_ != State::closing && phase_ != Phase::delivering;
  return looked_after_;
}

// The client neither takes what waits for it nor closes.
void Session::end_stalled_client(const ring::TcpState& client, SideWatch::Verdict verdict) {
  const bool told =
      client_.shut() && !client_.sending() && frames_.responses().empty() && !client.undelivered;
  if (!told) log(Severity::info, "client_stalled", client_stalled_text(link_.dialled(), verdict));
  close(!told, !broker_.ended(), CloseCause::client_timeout);
}

// --- the close rules

Upstream Session::upstream() const {
  if (state_ == State::accepted) return Upstream::none;
  return state_ == State::open ? Upstream::open : Upstream::dialling;
}

void Session::pass_on_ends() {
  while (state_ != State::closing && phase_ != Phase::delivering && (client_.ended() || broker_.ended())) {
    switch (next_close_step(close_state())) {
      case CloseStep::none:
        return;
      case CloseStep::close:
        return close(false, false, CloseCause::client_closed);
      case CloseStep::shut_client_reset:
        if (shut_client()) close(false, true, CloseCause::client_closed);
        return;
      case CloseStep::shut_broker:
        if (!broker_.shut_write(false)) return;
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
  if (phase_ == Phase::delivering && client_.delivered()) {
    const bool cut = response_cut_ || frames_.response_cut();
    if (client_.tls() != nullptr && !cut && !shut_client()) return;
    const bool request_cut =
        !frames_.at_boundary(Remote::client) || frames_.requests().ready_size() > 0 || broker_.sending();
    return close(cut, request_cut, CloseCause::internal);
  }
  if (!requests_stopped() || frames_.requests().ready_size() > 0 || broker_.sending()) return;
  if (!frames_.conversation().empty() || !client_.delivered() || !frames_.responses().empty()) return;
  if (!shut_client()) return;
  if (broker_.tls() != nullptr && state_ == State::open && !broker_.shut_write(false)) return;
  lingers_ = !client_.ended();
  close(false, false, draining_ ? CloseCause::drain_completed : CloseCause::reload);
}

// --- what is said

void Session::log(Severity severity, std::string_view cause, std::string text) {
  const Place& place = link_.place();
  worker_.runtime().log.write({severity, cause, link_.client_address().host_text(),
                               "listener " + place.listener().name + " port " +
                                   std::to_string(place.port().address.port()) + ": " + std::move(text),
                               worker_.session_id(slot())});
}

// The client waits for an answer of its broker's.
bool Session::answer_awaited() const {
  return state_ == State::open && !frames_.conversation().empty() && phase_ != Phase::delivering;
}

// The broker's side broke with requests unanswered; without any, a broker that restarts is no news.
void Session::report_cut(const char* how) {
  if (!answer_awaited() || link_.limited()) return;
  log(Severity::warning, "broker_cut", broker_cut_text(link_.dialled(), how, frames_.conversation()));
}

// The client leaves a broker that has long said nothing.
void Session::report_silence() {
  const Duration silence = worker_.now() - link_.heard_at();
  if (!answer_awaited() || silence < silence_worth_a_line) return;
  if (!frames_.answered()) link_.note_broken(false, false, frames_.conversation());
  log(Severity::warning, "broker_silent",
      broker_silent_text(link_.dialled(), silence, frames_.conversation()));
}

void Session::fail(Severity severity, std::string_view cause, std::string text) {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  log(severity, cause, std::move(text));
  note_cause(close_cause_of(cause));
  phase_ = Phase::delivering;
  // From here on the session waits for its sends alone.
  client_.expedite();
  broker_.expedite();
  set_deadline(Wait::deliver, drain_timeout);
  send(client_);
  end_if_done();
}

void Session::give_up_answers() {
  if (!frames_.conversation().empty())
    log(Severity::info, "retirement_cut", retirement_cut_text(link_.dialled(), frames_.conversation()));
  if (draining_) return abort();
  close(true, true, CloseCause::max_age);
}

void Session::abort() {
  if (state_ == State::closing) return;
  if (std::exchange(draining_, false)) worker_.runtime().drain.note_ended(false);
  close(true, true, CloseCause::drain_timeout);
}

void Session::close(bool reset_client, bool reset_broker, CloseCause cause) {
  KFERRY_ASSERT(state_ != State::closing);
  if (draining_) worker_.runtime().drain.note_ended(true);
  begin_to_count();
  note_cause(cause);
  if (trail_ != nullptr) trail_->on_end(cause_, worker_.now());
  meter_.end(cause_, is_probe());
  state_ = State::closing;
  link_.end_question();
  client_.close(reset_client);
  broker_.close(reset_broker);
  if (dial_ != nullptr) dial_->close();
  deadline_.cancel(timer());
}

}  // namespace kferry::proxy
