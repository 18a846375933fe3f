// How a session ends: its one timer, the lines it logs, and the close table of proxy/session.h.
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A client that leaves after its broker has said nothing for this long tells of a broker that hangs.
constexpr Duration silence_worth_a_line = seconds(10);

}  // namespace

// --- time

void Session::set_deadline(Deadline purpose, Duration in) {
  deadline_ = purpose;
  deadline_at_ = worker_.now() + in;
  if (!timer_armed_) {
    timer_armed_ = true;
    timer_at_ = deadline_at_;
    ++outstanding_;
    worker_.ring().timer(token(Operation::deadline), timer_at_);
  } else if (deadline_at_ < timer_at_) {
    worker_.ring().cancel(token(Operation::deadline));  // completes, and is armed anew there
  }
}

void Session::on_deadline() {
  if (state_ == State::closing || deadline_ == Deadline::none) return;
  if (worker_.now() < deadline_at_) {
    set_deadline(deadline_, deadline_at_ - worker_.now());
    return;
  }
  switch (std::exchange(deadline_, Deadline::none)) {
    case Deadline::none:
      return;
    case Deadline::first_byte:
      if (!received_anything_) {
        close(false, false);
      } else {
        fail(Severity::warning, "first_request_too_slow",
             "the first request header was not complete in time: not a Kafka client, or a very slow one");
      }
      return;
    case Deadline::handshake:
      on_handshake_deadline();
      return;
    case Deadline::connect:
      if (!connecting_) return;
      dial_->timed_out = true;
      worker_.ring().cancel(token(Operation::connect));
      return;
    case Deadline::retire:
      stopping_ = true;
      hear_of_sends();
      set_deadline(Deadline::drain, drain_timeout);
      pump();
      return;
    case Deadline::deliver:
    case Deadline::drain:
      close(true, true);
      return;
    case Deadline::half_close:
      close(false, false);
      return;
  }
}

// --- ends

void Session::log(Severity severity, std::string_view cause, std::string text) {
  const config::Listener& listener = worker_.cluster(port_->cluster).config.listeners[port_->listener];
  worker_.engine().log.write({severity, cause, client_address_.host_text(),
                              "listener " + listener.name + " port " + std::to_string(port_->address.port()) +
                                  ": " + std::move(text)});
}

// What the client still waits for, for messages.
std::string Session::unanswered_text() const {
  const kafka::Unanswered& first = conversation_.front();
  return counted(conversation_.size(), "request") + " unanswered, the first " +
         std::string(kafka::api_name(first.key)) + " v" + std::to_string(first.version);
}

// The broker's side broke with requests unanswered; without any, a broker that restarts is no news.
void Session::report_cut(const char* how) {
  if (state_ != State::open || conversation_.empty() || delivering_) return;
  log(Severity::warning, "broker_cut",
      "the connection to broker " + to_string(dialled_) + " broke (" + how + ") with " + unanswered_text() +
          ": the client is reset; see the broker's log and the network between");
}

// The client leaves a broker that has long said nothing.
void Session::report_silence() {
  if (state_ != State::open || conversation_.empty() || delivering_) return;
  const Duration silence = worker_.now() - heard_at_;
  if (silence < silence_worth_a_line) return;
  log(Severity::warning, "broker_silent",
      "the client left after broker " + to_string(dialled_) + " had said nothing for " +
          std::to_string(std::chrono::duration_cast<seconds>(silence).count()) + " s, with " +
          unanswered_text() + ": the broker hangs, or the network between loses packets");
}

void Session::fail(Severity severity, std::string_view cause, std::string text) {
  if (state_ == State::closing || delivering_) return;
  log(severity, cause, std::move(text));
  delivering_ = true;
  hear_of_sends();
  set_deadline(Deadline::deliver, drain_timeout);
  send(client_, responses_, Operation::client_send);
  check_stopped();
}

// The session is about to wait for its sends alone: a quiet one would keep it waiting.
void Session::hear_of_sends() {
  if ((client_.sending && client_.quiet) || (broker_.sending && broker_.quiet)) worker_.ring().wake();
}

void Session::abort() {
  if (state_ != State::closing) close(true, true);
}

void Session::close(bool reset_client, bool reset_broker) {
  if (state_ == State::closing) return;
  state_ = State::closing;
  client_.reset = reset_client;
  broker_.reset = reset_broker;
  ring::Ring& ring = worker_.ring();
  if (client_.receiving) ring.cancel(token(Operation::client_receive));
  if (client_.sending) ring.cancel(token(Operation::client_send));
  if (broker_.receiving) ring.cancel(token(Operation::broker_receive));
  if (broker_.sending) ring.cancel(token(Operation::broker_send));
  if (client_.splicing) ring.cancel(token(Operation::client_splice));
  if (broker_.splicing) ring.cancel(token(Operation::broker_splice));
  if (connecting_) ring.cancel(token(Operation::connect));
  if (timer_armed_) ring.cancel(token(Operation::deadline));
}

}  // namespace kferry::proxy
