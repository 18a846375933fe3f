// TLS in a session, on either side: the handshakes, and what is decrypted and encrypted on the way to and from
// the ropes. The contract stands in proxy/session.h.
#include <utility>

#include "base/assert.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// Of a send whose completion may come with the next one of anything.
constexpr std::size_t quiet_size_max = 16 * KiB;

}  // namespace

void Session::start_tls_with_client() {
  const config::Cluster& cluster = worker_.cluster(port_.cluster).config;
  if (!cluster.listeners[port_.listener].tls) return;
  // Chosen when the ClientHello is there: a certificate that was renewed meanwhile is the one to show.
  client_.tls = std::make_unique<TlsStream>(tls::Engine::server(
      [this](std::string_view) { return worker_.server_context(port_.cluster, port_.listener); }));
}

void Session::start_tls_with_broker() {
  if (!worker_.cluster(port_.cluster).config.upstream.tls) return;
  const HostPort& where = dial_->targets[dial_->target].address;
  broker_.tls = std::make_unique<TlsStream>(tls::Engine::client(
      worker_.client_context(port_.cluster), where.host, static_cast<std::uint16_t>(where.port)));
  set_deadline(Deadline::handshake, milliseconds(worker_.limits().tls_handshake_timeout_ms));
  pump();
}

// False when the session went another way.
bool Session::receive_tls(Leg& from, net::Rope& rope, const ring::Completion& completion) {
  TlsStream& tls = *from.tls;
  const bool first = !tls.heard();
  const bool shook_hands = tls.handshaking();
  tls.receive(completion.pieces, worker_.ring(), rope);
  const bool end = completion.result == 0;
  if (end && !tls.heard() && &from == &client_) {  // a probe: nobody wanted TLS, or anything
    from.ended = true;
    return true;
  }
  if (end) tls.end_of_input();
  if (tls.failed()) {
    on_tls_failure(from, end);
    return false;
  }
  from.ended = from.ended || tls.ended() || end;
  if (&from == &client_) {
    if (first && tls.handshaking())
      set_deadline(Deadline::handshake, milliseconds(worker_.limits().tls_handshake_timeout_ms));
    if (shook_hands && !tls.handshaking() && state_ == State::accepted)
      set_deadline(Deadline::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  } else if (shook_hands && !tls.handshaking()) {
    open();
    return false;  // open() has pumped
  }
  return true;
}

void Session::on_tls_failure(Leg& from, bool end_of_stream) {
  const tls::Failure& failure = from.tls->engine().failure();
  const bool cut = end_of_stream && failure.cause == "truncated";
  if (&from == &broker_) {
    if (state_ == State::dialling) return give_up_address(failure.text);
    if (cut) {
      report_cut("it ended without close_notify");
      return close(true, true);
    }
    response_cut_ = response_cut_ || !response_walker_.at_boundary();
    fail(Severity::error, failure.cause, failure.text + " (broker " + to_string(dialled_) + ")");
    return;
  }
  if (cut) {
    report_silence();
    return close(true, true);
  }
  fail(Severity::warning, failure.cause, failure.text);
}

void Session::send_tls(Leg& to, net::Rope& rope, Operation operation) {
  TlsStream& tls = *to.tls;
  const bool ready =
      (tls.open() || tls.ended()) && !to.fin_sent && (&to == &client_ || state_ == State::open);
  const std::span<const std::byte> cipher = tls.to_send(ready ? &rope : nullptr);
  if (tls.failed() && cipher.empty()) return;
  if (cipher.empty()) return;
  to.sending = true;
  to.sending_since = worker_.now();
  to.sending_size = cipher.size();
  ++outstanding_;
  const bool ending = client_.ended || broker_.ended || stopping_ || delivering_ || tls.closed();
  to.quiet = ready && cipher.size() <= quiet_size_max && rope.ready_size() == 0 && rope.input_size() == 0 &&
             !to.congested && !ending;
  const iovec piece{const_cast<std::byte*>(cipher.data()), cipher.size()};
  worker_.ring().send(token(operation), to.socket, {&piece, 1},
                      to.quiet ? ring::Notice::with_next : ring::Notice::now);
}

void Session::on_handshake_deadline() {
  if (state_ == State::dialling) {
    if (broker_.tls != nullptr && !dial_->given_up)
      give_up_address("TLS: timed out, " + broker_.tls->engine().handshake_state());
    return;
  }
  fail(Severity::warning, "tls_handshake_timeout",
       "the TLS handshake was not complete in " +
           std::to_string(worker_.limits().tls_handshake_timeout_ms / 1000) +
           " s: " + client_.tls->engine().handshake_state());
}

}  // namespace kferry::proxy
