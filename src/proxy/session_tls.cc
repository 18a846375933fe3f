// TLS in a session, on either side: the handshakes, and what is decrypted and encrypted on the way to and from
// the ropes. The contract stands in proxy/session.h.
#include <poll.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "base/assert.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "ring/kernel_tls.h"
#include "tls/failures.h"
#include "tls/record/kernel_keys.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view keys_changed =
    " changes its TLS keys, which the kernel cannot follow: the connection ends in order; "
    "tls.kernel_send = off and tls.kernel_receive = off keep such connections";

}  // namespace

void Session::start_tls_with_client() {
  if (!listener().tls) return;
  // Chosen when the ClientHello is there: a certificate that was renewed meanwhile is the one to show.
  client_.tls = std::make_unique<TlsStream>(
      tls::Engine::server([this](std::string_view server_name) { return take_name(server_name); }));
}

// Null: nobody here has the name.
tls::Engine::Chosen Session::take_name(std::string_view server_name) {
  const Engine& engine = worker_.engine();
  const PortEntry* named = port_;
  if (listener().sni) {
    const auto target = engine.find(*port_, server_name);
    if (!target) return std::shared_ptr<const tls::ServerContext>();
    named = target->port;
    named_ = target->node;
  }
  if (named->cluster != port_->cluster) conversation_.obey(worker_.cluster(named->cluster).policy);
  port_ = named;
  certificates::Usable<tls::ServerContext> usable = worker_.server_context(port_->cluster, port_->listener);
  if (usable.context != nullptr) return std::move(usable.context);
  return Failure{"no_usable_certificate",
                 "listener " + listener().name + " has no certificate that it can serve: " + usable.why_not};
}

void Session::start_tls_with_broker() {
  if (!worker_.cluster(port_->cluster).config.upstream.tls) return;
  const HostPort& where = dial_->targets[dial_->target].address;
  broker_.tls = std::make_unique<TlsStream>(
      tls::Engine::client(worker_.client_context(port_->cluster).context, where.host,
                          static_cast<std::uint16_t>(where.port), !dial_->full_handshake));
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
  if (end && !may_end_bare(from)) tls.end_of_input();
  if (tls.failed()) {
    on_tls_failure(from, end);
    return false;
  }
  check_keys(from);
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
  const Failure& failure = from.tls->engine().failure();
  const bool cut = end_of_stream && failure.cause == "truncated";
  if (&from == &broker_) {
    if (state_ == State::dialling) {
      // A broker may take no ticket, and may have come to speak TLS 1.2 alone: once more, by a full handshake.
      dial_->again = from.tls->engine().failed_on_resumption();
      dial_->full_handshake = dial_->full_handshake || dial_->again;
      return give_up_address(failure.text);
    }
    if (cut) return on_truncation(from);
    note_cut_by(from);
    fail(Severity::error, failure.cause, failure.text + " (broker " + to_string(dialled_) + ")");
    return;
  }
  if (cut) return on_truncation(from);
  std::string text = failure.text;
  if (failure.cause == "server_name_unknown" && listener().sni)
    text += ": this port serves " + worker_.engine().names_text(*port_) +
            ": let clients come by these names, or correct the host patterns";
  fail(Severity::warning, failure.cause, std::move(text));
}

// See the close table. What was received before has been walked as far as it goes.
bool Session::may_end_bare(const Leg& from) const {
  const net::Rope& rope = &from == &client_ ? requests_ : responses_;
  return from.fin_sent && from.tls->closed() && from.tls->record_rest() == 0 && rope.input_size() == 0 &&
         at_boundary(from);
}

// The stream ended without close_notify: what came last may be cut off, so the other side is reset.
void Session::on_truncation(Leg& from) {
  if (&from == &broker_) {
    report_cut("it ended without close_notify");
  } else {
    report_silence();
  }
  close(true, true);
}

void Session::send_tls(Leg& to, net::Rope& rope, Operation operation) {
  TlsStream& tls = *to.tls;
  const bool ready =
      (tls.open() || tls.ended()) && !to.fin_sent && (&to == &client_ || state_ == State::open);
  const std::span<const std::byte> cipher = tls.to_send(ready ? &rope : nullptr, goes_on(other(to), rope));
  if (cipher.empty()) return;
  const bool quiet = ready && cipher.size() <= quiet_size_max && rope.ready_size() == 0 &&
                     rope.input_size() == 0 && !to.congested && !ending() && !tls.closed();
  // FIN follows a close_notify. And a client of TLS 1.3 waits for nothing that we say of our own accord once it has
  // said Finished, tickets and answers to its KeyUpdate: they go with what comes next, or by themselves after 200 ms
  // (tcp(7), MSG_MORE).
  const bool awaited = tls.sends_data() || &to == &broker_ || !tls.open() ||
                       tls.engine().negotiated().version != tls::Version::tls_1_3;
  const bool more = tls.closed() || !awaited || tls.goes_on();
  const iovec piece{const_cast<std::byte*>(cipher.data()), cipher.size()};
  submit_send(to, operation, {&piece, 1}, cipher.size(), quiet, more);
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

// --- kernel TLS: after the handshake each direction's keys go to the kernel, where it has the cipher

void Session::hand_to_kernel(Leg& leg) {
  const config::Tls& wanted = worker_.engine().config.tls;
  if (leg.kernel_refused || !worker_.kernel_tls() || !leg.tls->open()) return;
  if (wanted.kernel_send && !leg.sending && leg.tls->may_hand_over_sending() && !hand_over(leg, true)) return;
  if (wanted.kernel_receive && !leg.receiving && leg.tls->may_hand_over_receiving()) hand_over(leg, false);
}

bool Session::hand_over(Leg& leg, bool sending) {
  const tls::TrafficKeys keys = leg.tls->engine().records()->keys();
  const int error = give_key(leg, sending, sending ? keys.send : keys.receive);
  if (error == 0) {
    leg.tls->handed_over(sending, ring::kernel_tls_changes_keys());
    return true;
  }
  leg.kernel_refused = true;
  // No kernel TLS here at all: not asked again.
  if (error == -ENOENT || error == -ENOPROTOOPT) worker_.note_no_kernel_tls();
  return false;
}

int Session::give_key(const Leg& leg, bool sending, const tls::TrafficKey& key) {
  const tls::KernelKeys octets(key);
  return worker_.ring().set_tls_key(leg.socket, sending, octets.octets());
}

// Sends what the engine itself has to say where the kernel sends: alerts, a KeyUpdate. False while there is no room.
bool Session::send_own_records(Leg& to, Operation operation) {
  while (const auto record = to.tls->engine().own_record()) {
    if ((&to == &client_ ? broker_ : client_).splicing) return false;
    const int result =
        worker_.ring().send_tls_record(to.socket, static_cast<std::uint8_t>(record->type), record->content());
    if (result == -EAGAIN) {
      to.sending = to.polling = true;
      to.quiet = false;
      to.sending_size = 0;
      ++outstanding_;
      worker_.ring().poll(token(operation), to.socket, POLLOUT);
      return false;
    }
    // Another error is the socket's, and its next operation tells of it.
    const auto key = to.tls->engine().own_record_sent();
    if (!key) continue;
    if (give_key(to, true, *key) == 0 || result < 0) continue;
    to.fin_sent = true;  // nothing can be sent any more, not even an end
    set_deadline(Deadline::drain, Duration::zero());
    return false;
  }
  return true;
}

// Another key is due where there is none to be had: by our own count, or because the other side asks for it.
void Session::check_keys(const Leg& leg) {
  if (!leg.tls->engine().key_used_up() || stopping_ || deadline_ == Deadline::retire) return;
  log(Severity::info, "tls_key_used_up",
      "what is sent under one TLS key has come to its end, and this connection has no other: it ends in "
      "order, and its client reconnects");
  set_deadline(Deadline::retire, Duration::zero());
}

// What of a response is missing is not passed off as complete.
void Session::note_cut_by(const Leg& from) {
  response_cut_ = response_cut_ || (&from == &broker_ && !response_walker_.at_boundary());
}

// The kernel has met a record that does not decrypt.
void Session::on_forged(Leg& from) {
  from.tls->engine().take_forged();
  on_tls_failure(from, false);
}

// The kernel has met a record that is no data.
void Session::take_record(Leg& from) {
  std::array<std::byte, tls::record_plain_max> room;
  std::uint8_t type = 0;
  const int size = worker_.ring().receive_tls_record(from.socket, room, type);
  if (size == -EAGAIN) return pump();
  if (size == -EBADMSG) return on_forged(from);
  if (size < 0) return on_broken(&from == &broker_, -size);
  const std::span<const std::byte> octets = std::span(room).first(static_cast<std::size_t>(size));
  const auto record = static_cast<tls::RecordType>(type);
  if (record == tls::RecordType::data) {
    (&from == &client_ ? requests_ : responses_).received_copy(octets);
    return pump();
  }
  tls::Engine& engine = from.tls->engine();
  engine.take(record, octets);
  if (from.tls->failed()) return on_tls_failure(from, false);
  if (engine.receive_lost()) {
    note_cut_by(from);
    fail(Severity::warning, "tls_key_update",
         (&from == &client_ ? "the client" : "broker " + to_string(dialled_)) + std::string(keys_changed));
    return;
  }
  int error = 0;
  if (const auto key = engine.changed_receive_key()) {
    error = give_key(from, false, *key);
  } else if (engine.receive_waits()) {
    error = worker_.ring().reinstall_tls_key(from.socket);
  }
  if (error != 0) return on_broken(&from == &broker_, -error);
  check_keys(from);
  if (from.tls->ended()) {
    from.ended = true;
    if (&from == &client_) report_silence();
  }
  pump();
}

void Session::note_kernel_sent(Leg& to, std::size_t size) {
  to.tls->engine().sent_by_kernel(size);
  check_keys(to);
}

}  // namespace kferry::proxy
