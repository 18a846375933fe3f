// How an engine fails: what wolfSSL, the alerts and the certificates tell is put into words, and the alerts that wolfSSL
// leaves out are said. The contract stands in tls/engine.h.
#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include <utility>

#include "tls/engine.h"
#include "x509/certificate.h"

namespace kferry::tls {
namespace {

// What wolfSSL leaves unsaid. Which messages out of order it tells of differs between its versions.
Alert alert_of(int error) {
  switch (error) {
    case ECC_PEERKEY_ERROR:
      return Alert::illegal_parameter;
    case OUT_OF_ORDER_E:
    case DUPLICATE_MSG_E:
    case NO_CHANGE_CIPHER_E:
      return Alert::unexpected_message;
    default:
      return Alert::handshake_failure;
  }
}

}  // namespace

void Engine::fail(Failure failure) {
  if (state_ == State::failed) return;
  state_ = State::failed;
  failure_ = std::move(failure);
}

void Engine::fail_by_library(int result) {
  if (unasked_) return fail_unasked();
  Breakdown breakdown;
  breakdown.remote = remote_;
  breakdown.handshaking = state_ == State::handshaking;
  breakdown.error = wolfSSL_get_error(ssl_.get(), result);
  WOLFSSL_ALERT_HISTORY alerts{};
  if (wolfSSL_get_alert_history(ssl_.get(), &alerts) == WOLFSSL_SUCCESS &&
      alerts.last_rx.level == alert_fatal) {
    breakdown.alert = alerts.last_rx.code;
  }
  // A client that has not sent its Finished yet may send its alert in clear, which wolfSSL reads as a broken
  // header: OpenSSL does, when it distrusts a certificate in TLS 1.3.
  if (breakdown.alert < 0 && breakdown.handshaking && framing_.type() == RecordType::alert &&
      framing_.rest() == 2 && in_.size() >= 2) {
    breakdown.alert = std::to_integer<int>(in_[1]);
  }
  // wolfSSL says nothing to a client of TLS 1.2 that must have had a certificate; in clear until
  // ChangeCipherSpec. Nor of a key share that is none, without which there is no key to seal an alert with.
  const bool keyless = breakdown.error == ECC_PEERKEY_ERROR;
  if (breakdown.handshaking && remote_ == Remote::client && alerts.last_tx.level != alert_fatal &&
      breakdown.alert < 0 && (keyless || wolfSSL_version(ssl_.get()) == TLS1_2_VERSION)) {
    // wolfSSL writes its ServerHello before it imports the client's key share. After a ServerHello an alert in clear is
    // unexpected.
    if (keyless) pending_.resize(pending_at_);
    alert(alert_of(breakdown.error));
  }
  breakdown.certificate_error = certificate_error_;
  breakdown.certificate_words = certificate_words_;
  breakdown.certificate_subject = subject_;
  breakdown.highest_version = client_hello_.highest_version;
  breakdown.host = host_;
  fail(broken_down(breakdown));
}

// RFC 8446 §4.4.2: only who was asked sends a certificate. wolfSSL, told to ask nobody, would take it, and once
// its callback objects it ends without an alert. A client of TLS 1.2 sends it in clear, and is told so in clear.
void Engine::fail_unasked() {
  if (wolfSSL_version(ssl_.get()) != TLS1_3_VERSION) {
    alert(Alert::unexpected_message);
  } else if (const auto keys = keys_of(ssl_.get(), Version::tls_1_3, true, sent_nonce_)) {
    Records(*keys, {}, remote_).say_alert(AlertLevel::fatal, Alert::unexpected_message, pending_);
  }
  fail({"client_certificate_unasked",
        "the client sent a certificate that nobody asked for, which TLS forbids: configure it without a key "
        "store, or have this listener ask by ssl_client_auth"});
}

// An alert of our own, before there is a wolfSSL state: in clear, as RFC 8446 §6 has it that early.
void Engine::alert(Alert description) {
  for (const unsigned octet :
       {unsigned{std::to_underlying(RecordType::alert)}, 3U, 3U, 0U, 2U,
        unsigned{std::to_underlying(AlertLevel::fatal)}, unsigned{std::to_underlying(description)}}) {
    pending_.push_back(static_cast<std::byte>(octet));
  }
}

void Engine::end_of_input() {
  if (state_ == State::ended || state_ == State::failed) return;
  if (remote_ == Remote::client && ssl_ == nullptr &&
      read_client_hello(hello_, client_hello_) == HelloReading::not_tls) {
    if (auto failure = not_tls(hello_, remote_, true)) return fail(std::move(*failure));
  }
  if (foreign_) {
    if (auto failure = not_tls(hello_, remote_, true)) return fail(std::move(*failure));
  }
  fail(cut_short(remote_, state_ == State::handshaking, heard_));
}

std::string Engine::handshake_state() const {
  if (state_ != State::handshaking) return "the handshake is done";
  if (ssl_ == nullptr) {
    return hello_.empty() ? "nothing has come of the ClientHello"
                          : std::to_string(hello_.size()) + " octets of the ClientHello have come";
  }
  if (remote_ == Remote::broker) {
    return heard_ ? "the broker has answered the ClientHello, not to the end"
                  : "the ClientHello has no answer yet";
  }
  return "the client's ClientHello was answered; its Finished is due";
}

int Engine::on_verify(int verified, WOLFSSL_X509_STORE_CTX* store) {
  Engine& self = *static_cast<Engine*>(store->userCtx);
  if (self.remote_ == Remote::client && self.server_context_->client_auth() == ClientAuth::none) {
    self.unasked_ = true;
    return 0;
  }
  const int depth = store->error_depth;
  if (depth < 0 || depth >= store->totalCerts)
    return verified;  // there is none: wolfSSL knows if there must be
  const auto der = std::as_bytes(std::span(store->certs[depth].buffer, store->certs[depth].length));
  if (verified != 0) return depth > 0 || self.judge(der) ? 1 : 0;
  self.certificate_error_ = store->error != 0 ? store->error : VERIFY_CERT_ERROR;
  if (const auto certificate = x509::read_certificate(der)) self.subject_ = certificate->names.subject;
  return 0;
}

// Names and subjects, after the chain was found good.
bool Engine::judge(std::span<const std::byte> der) {
  const auto certificate = x509::read_certificate(der);
  if (!certificate) {
    certificate_words_ = "cannot be parsed";
    return false;
  }
  subject_ = certificate->names.subject;
  if (remote_ == Remote::client) {
    if (server_context_->allows_subject(subject_)) return true;
    certificate_words_ = "is good, but its subject is none of those required here";
    return false;
  }
  if (!client_context_->verify_host_name() || x509::names_host(certificate->names, host_)) return true;
  certificate_words_ =
      "does not name " + host_ + ", which was dialled: advertise a name that stands in it, or reissue it";
  return false;
}

}  // namespace kferry::tls
