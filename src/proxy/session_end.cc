// How a session ends: its one deadline, what breaks, the lines it logs, and the close table of proxy/session.h.
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

// A client that leaves after its broker has said nothing for this long indicates a broker that hangs.
constexpr Duration silence_worth_a_line = seconds(10);
// A session that is to be replaced waits this long for a group that is being formed, looking again every retire_step.
constexpr Duration retire_patience = std::chrono::minutes(5);
constexpr Duration retire_step = seconds(1);
// What is queued when a session is ended is delivered within this time, or dropped.
constexpr Duration drain_timeout = seconds(5);

constexpr std::string_view keys_changed =
    " changes its TLS keys, which the kernel cannot follow: the connection ends in order; "
    "tls.kernel_send = off and tls.kernel_receive = off keep such connections";

}  // namespace

// --- time

void Session::set_deadline(Wait wait, Duration in) {
  wait_ = wait;
  deadline_.set(worker_.now() + in);
}

void Session::on_deadline() {
  if (!deadline_.on_timer(state_ != State::closing && wait_ != Wait::none)) return;
  switch (std::exchange(wait_, Wait::none)) {
    case Wait::none:
      return;
    case Wait::first_byte:
      if (!received_anything_) return close(false, false);
      return fail(
          Severity::warning, "first_request_too_slow",
          "the first request header was not complete in time: not a Kafka client, or a very slow one");
    case Wait::handshake:
      return fail(Severity::warning, "tls_handshake_timeout",
                  "the TLS handshake was not complete in " +
                      std::to_string(worker_.limits().tls_handshake_timeout_ms / 1000) +
                      " s: " + client_.tls()->handshake_state());
    case Wait::dial:
      return dial_->on_deadline();
    case Wait::map:
      end_question();
      return pump();
    case Wait::retire:
      if (conversation_.awaits(kafka::join_group_key) || conversation_.awaits(kafka::sync_group_key)) {
        if (++retire_postponed_ * retire_step <= retire_patience)
          return set_deadline(Wait::retire, retire_step);
      }
      phase_ = Phase::stopping;
      client_.expedite();
      broker_.expedite();
      set_deadline(Wait::drain, drain_timeout);
      return pump();
    case Wait::drain:
      report_retirement();
      return close(true, true);
    case Wait::deliver:
      return close(true, true);
  }
}

// --- breaks

void Session::on_break(Leg& leg, const Leg::Break& what) {
  KFERRY_ASSERT(state_ != State::closing);
  using How = Leg::Break::How;
  const bool by_broker = leg.remote() == Remote::broker;
  switch (what.how) {
    case How::receiving:
      if (by_broker && !leg.ended()) note_broken();
      by_broker ? report_cut(std::strerror(what.error)) : report_silence();
      // An error after the end is how a peer that is gone for good answers.
      return close(!by_broker || !leg.ended(), by_broker || !leg.ended() || broker_owes_nothing());
    case How::sending:
    case How::splicing_from:
    case How::splicing_to: {
      // A broker that has closed in order takes no more requests; its client has been told of the end already.
      const bool after_end = by_broker && broker_.ended() && client_.shut();
      if (!by_broker) report_silence();
      if (!by_broker && leg.ended()) return close(true, broker_owes_nothing());
      if (by_broker && !after_end) {
        note_broken();
        report_cut(std::strerror(what.error));
      }
      return close(!after_end, !after_end);
    }
    case How::truncated:
      if (by_broker) note_broken();
      by_broker ? report_cut("it ended without close_notify") : report_silence();
      return close(true, true);
    case How::tls:
      return on_tls_break(leg);
    case How::keys_lost:
      return on_keys_lost(leg);
  }
}

void Session::on_tls_break(Leg& leg) {
  const Failure& failure = leg.transport().failure();
  if (leg.remote() == Remote::broker) {
    // What is missing of a response is not passed off as complete.
    response_cut_ = response_cut_ || !response_walker_.at_boundary();
    return fail(Severity::error, failure.cause, failure.text + " (broker " + to_string(dialled_) + ")");
  }
  std::string text = failure.text;
  if (failure.cause == "server_name_unknown" && listener().sni) {
    text += ": this port serves " + view_->plan().names_text(*port_) +
            ": let clients come by these names, or correct the host patterns";
  }
  fail(Severity::warning, failure.cause, std::move(text));
}

void Session::on_keys_lost(Leg& leg) {
  const bool by_broker = leg.remote() == Remote::broker;
  response_cut_ = response_cut_ || (by_broker && !response_walker_.at_boundary());
  fail(Severity::warning, "tls_key_update",
       (by_broker ? "broker " + to_string(dialled_) : "the client") + std::string(keys_changed));
}

// The key is exhausted by our own count, or the other side asks for another one.
void Session::on_key_exhausted(Leg& /*leg*/) {
  if (phase_ == Phase::stopping || wait_ == Wait::retire) return;
  log(Severity::info, "tls_key_used_up",
      "the TLS key of this connection is exhausted and cannot be renewed: the connection ends in order, and "
      "its "
      "client reconnects");
  set_deadline(Wait::retire, Duration::zero());
}

// --- the close table

// Every byte that went to the broker belongs to a request that it has answered: nothing is lost by a reset, which
// spares this host a socket in TIME_WAIT for each connection. After a Produce with acks=0, a raw token or part of a
// request only an orderly end makes sure that the broker reads what was sent.
bool Session::broker_owes_nothing() const {
  return state_ == State::open && conversation_.empty() && conversation_.ends_with_question &&
         request_walker_.at_boundary() && response_walker_.at_boundary() && requests_.empty() &&
         !broker_.sending();
}

void Session::pass_on_ends() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  const bool requests_gone = requests_.input_size() == 0 && requests_.ready_size() == 0 && !broker_.sending();
  if (client_.ended() && state_ == State::accepted) {
    if (responses_.ready_size() > 0 || client_.sending()) return;  // answers of our own
    if (received_anything_ && !request_walker_.started()) {
      return fail(
          Severity::warning, "header_cut_short",
          "the client closed inside its first request header: not a Kafka client, or its connection was cut");
    }
    return close(false, false);
  }
  const bool responses_gone =
      responses_.input_size() == 0 && responses_.ready_size() == 0 && !client_.sending();
  if (client_.ended() && responses_gone && broker_owes_nothing()) {
    if (shut_client()) close(false, true);
    return;
  }
  if (client_.ended() && !broker_.shut() && requests_gone) {
    if (!request_walker_.at_boundary() && requests_.held_size() > 0) {
      return fail(Severity::warning, "header_cut_short",
                  "the client closed inside a request header: its connection was cut");
    }
    if (!broker_.shut_write(false)) return;
  }
  if (broker_.ended() && !client_.shut() && responses_gone) {
    if (!response_walker_.at_boundary()) {
      response_cut_ = true;  // though nothing of it may have left yet
      return fail(Severity::warning, "response_cut_short",
                  "broker " + to_string(dialled_) +
                      " closed inside a response: the client is reset, so that it cannot take "
                      "the response for complete");
    }
    if (!shut_client()) return;
  }
  if (client_.shut() && client_.ended()) close(false, false);
}

// The session's close follows at once where the client has ended too.
bool Session::shut_client() {
  return client_.shut_write(client_.ended() && phase_ != Phase::stopping);
}

// A session that takes no more requests ends when everything is answered and delivered.
void Session::end_if_done() {
  if (state_ == State::closing) return;
  if (phase_ == Phase::delivering && client_.delivered()) {
    const bool cut = response_cut_ || response_walker_.cut();
    if (client_.tls() != nullptr && !cut && !shut_client()) return;
    const bool request_cut =
        !request_walker_.at_boundary() || requests_.ready_size() > 0 || broker_.sending();
    return close(cut, request_cut);
  }
  if (!requests_stopped() || requests_.ready_size() > 0 || broker_.sending()) return;
  if (!conversation_.empty() || !client_.delivered() || !responses_.empty()) return;
  if (client_.tls() != nullptr && !shut_client()) return;
  if (broker_.tls() != nullptr && state_ == State::open && !broker_.shut_write(false)) return;
  close(false, false);
}

// --- what is said

void Session::log(Severity severity, std::string_view cause, std::string text) {
  worker_.runtime().log.write({severity, cause, client_address_.host_text(),
                               "listener " + listener().name + " port " +
                                   std::to_string(port_->address.port()) + ": " + std::move(text)});
}

// What the client still waits for, for messages.
std::string Session::unanswered_text() const {
  const kafka::Unanswered& first = conversation_.front();
  return counted(conversation_.size(), "request") + " unanswered, the first " +
         std::string(kafka::api_name(first.key)) + " v" + std::to_string(first.version);
}

// The broker's side broke with requests unanswered; without any, a broker that restarts is no news.
void Session::report_cut(const char* how) {
  if (state_ != State::open || conversation_.empty() || phase_ == Phase::delivering || limited_) return;
  log(Severity::warning, "broker_cut",
      "the connection to broker " + to_string(dialled_) + " broke (" + how + ") with " + unanswered_text() +
          ": the client is reset; see the broker's log and the network between");
}

// The client leaves a broker that has long said nothing.
void Session::report_silence() {
  if (state_ != State::open || conversation_.empty() || phase_ == Phase::delivering) return;
  const Duration silence = worker_.now() - heard_at_;
  if (silence < silence_worth_a_line) return;
  if (!response_walker_.answered()) note_broken();
  log(Severity::warning, "broker_silent",
      "the client left after broker " + to_string(dialled_) + " had said nothing for " +
          std::to_string(std::chrono::duration_cast<seconds>(silence).count()) + " s, with " +
          unanswered_text() + ": the broker hangs, or the network between loses packets");
}

void Session::report_retirement() {
  if (conversation_.empty()) return;
  log(Severity::info, "retirement_cut",
      "the connection to broker " + to_string(dialled_) +
          " is retired, since its port leads to another broker now or its TLS key is exhausted, with " +
          unanswered_text() + ": the client is reset, and reconnects");
}

void Session::fail(Severity severity, std::string_view cause, std::string text) {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  log(severity, cause, std::move(text));
  phase_ = Phase::delivering;
  // From here on the session waits for its sends alone.
  client_.expedite();
  broker_.expedite();
  set_deadline(Wait::deliver, drain_timeout);
  send(client_);
  end_if_done();
}

void Session::abort() {
  if (state_ != State::closing) close(true, true);
}

void Session::close(bool reset_client, bool reset_broker) {
  KFERRY_ASSERT(state_ != State::closing);
  if (state_ == State::dialling) end_admission();
  state_ = State::closing;
  end_question();
  client_.close(reset_client);
  broker_.close(reset_broker);
  if (dial_ != nullptr) dial_->close();
  deadline_.cancel();
}

}  // namespace kferry::proxy
