// TLS in a session, on either side: the handshakes, and what is decrypted and encrypted on the way to and from
// the ropes. The contract stands in proxy/session.h.
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/assert.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "tls/failures.h"
#include "tls/kernel_keys.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// AES-GCM under one key: 2^24 full records (RFC 8446 §5.5 allows 2^24.5). Then the connection ends in order.
constexpr std::uint64_t kernel_sent_max = (std::uint64_t{1} << 24U) * tls::record_plain_max;
// RFC 8446 §5.1 and §4: types of records and of handshake messages; §6: an alert's level and description.
constexpr std::uint8_t alert_record = 21;
constexpr std::uint8_t handshake_record = 22;
constexpr std::uint8_t data_record = 23;
constexpr std::byte new_session_ticket{4};
constexpr std::byte key_update{24};
constexpr std::string_view keys_changed =
    "changes its TLS keys, which the kernel cannot follow: the connection ends in order; "
    "tls.kernel_send = off and tls.kernel_receive = off keep such connections";
constexpr std::array<std::byte, 2> close_notify{std::byte{1}, std::byte{0}};

}  // namespace

void Session::start_tls_with_client() {
  if (!listener().tls) return;
  // Chosen when the ClientHello is there: a certificate that was renewed meanwhile is the one to show.
  client_.tls = std::make_unique<TlsStream>(
      tls::Engine::server([this](std::string_view server_name) { return take_name(server_name); }));
}

// Null: nobody here has the name.
std::shared_ptr<const tls::ServerContext> Session::take_name(std::string_view server_name) {
  const Engine& engine = worker_.engine();
  const PortEntry* named = port_;
  if (listener().sni) {
    const auto target = engine.find(*port_, server_name);
    if (!target) return nullptr;
    named = target->port;
    named_ = target->node;
  }
  if (named->cluster != port_->cluster) conversation_.obey(worker_.cluster(named->cluster).policy);
  port_ = named;
  return worker_.server_context(port_->cluster, port_->listener);
}

void Session::start_tls_with_broker() {
  if (!worker_.cluster(port_->cluster).config.upstream.tls) return;
  const HostPort& where = dial_->targets[dial_->target].address;
  broker_.tls = std::make_unique<TlsStream>(tls::Engine::client(
      worker_.client_context(port_->cluster), where.host, static_cast<std::uint16_t>(where.port)));
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
  if (tls.kernel_sends() && !tls.kernel_receives() && !tls.engine().to_send().empty()) {
    fail_in_tls(from, "tls_key_update", std::string(keys_changed));
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
  const std::span<const std::byte> cipher = tls.to_send(ready ? &rope : nullptr);
  if (cipher.empty()) return;
  const bool quiet = ready && cipher.size() <= quiet_size_max && rope.ready_size() == 0 &&
                     rope.input_size() == 0 && !to.congested && !ending() && !tls.closed();
  const iovec piece{const_cast<std::byte*>(cipher.data()), cipher.size()};
  submit_send(to, operation, {&piece, 1}, cipher.size(), quiet);
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
  const auto keys = leg.tls->keys();
  int error = -EOPNOTSUPP;
  if (keys) {
    const tls::KernelKeys octets(sending ? keys->send : keys->receive);
    error = worker_.ring().start_records(leg.socket, sending, octets.octets());
  }
  if (error == 0) {
    leg.tls->handed_over(sending);
    return true;
  }
  leg.kernel_refused = true;
  // No kernel TLS here at all: not asked again.
  if (error == -ENOENT || error == -ENOPROTOOPT) worker_.note_no_kernel_tls();
  return false;
}

// False while there is no room for it.
bool Session::say_close_notify(Leg& to, Operation operation) {
  if (to.tls->closed()) return true;
  if (to.sending) return false;
  const int result = worker_.ring().send_record(to.socket, alert_record, close_notify);
  if (result == -EAGAIN) {
    to.sending = to.polling = true;
    to.quiet = false;
    to.sending_size = 0;
    ++outstanding_;
    worker_.ring().poll(token(operation), to.socket, POLLOUT);
    return false;
  }
  to.tls->close();
  return true;
}

// What of a response is missing is not passed off as complete.
void Session::note_cut_by(const Leg& from) {
  response_cut_ = response_cut_ || (&from == &broker_ && !response_walker_.at_boundary());
}

// Ends a TLS stream that cannot go on.
void Session::fail_in_tls(const Leg& from, std::string_view cause, std::string text) {
  note_cut_by(from);
  fail(Severity::warning, cause,
       (&from == &client_ ? std::string("the client ") : "broker " + to_string(dialled_) + " ") +
           std::move(text));
}

// The kernel has met a record that is no data.
void Session::take_record(Leg& from) {
  std::array<std::byte, tls::record_plain_max> room;
  std::uint8_t type = 0;
  const int size = worker_.ring().receive_record(from.socket, room, type);
  if (size == -EAGAIN) return pump();
  if (size < 0) {
    return fail_in_tls(from, "tls_record_broken",
                       "sent a TLS record that cannot be decrypted (" + std::string(std::strerror(-size)) +
                           "): it was changed on the way");
  }
  const std::span<const std::byte> octets = std::span(room).first(static_cast<std::size_t>(size));
  if (type == data_record) {
    (&from == &client_ ? requests_ : responses_).received_copy(octets);
    return pump();
  }
  if (type == alert_record && octets.size() == 2 && octets[1] == std::byte{0}) {
    from.ended = true;
    from.tls->note_end();
    if (&from == &client_) report_silence();
    return pump();
  }
  if (type == alert_record && octets.size() == 2) {
    return fail_in_tls(from, "tls_alert",
                       "ended the connection with the TLS alert " +
                           std::string(tls::alert_name(std::to_integer<int>(octets[1]))));
  }
  if (type == handshake_record && !octets.empty() && octets[0] == new_session_ticket) return pump();
  if (type == handshake_record && !octets.empty() && octets[0] == key_update)
    return fail_in_tls(from, "tls_key_update", std::string(keys_changed));
  fail_in_tls(from, "tls_record_unexpected",
              "sent a TLS record of type " + std::to_string(type) + " in the middle of the stream");
}

void Session::note_kernel_sent(Leg& to, std::size_t size) {
  to.kernel_sent += size;
  if (to.kernel_sent < kernel_sent_max || stopping_ || deadline_ == Deadline::retire) return;
  log(Severity::info, "tls_key_used_up",
      "256 GiB went out under one TLS key: the connection ends in order, and its client reconnects");
  set_deadline(Deadline::retire, Duration::zero());
}

}  // namespace kferry::proxy
