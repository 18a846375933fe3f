// How an engine fails: turns wolfSSL's errors, alerts and the verdict on certificates into failures, and sends the
// alerts that wolfSSL omits. Documented in tls/engine.h.
#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "tls/engine.h"

namespace kferry::tls {
namespace {

// The alerts that wolfSSL omits. Its versions differ in which out-of-order messages they send an alert for.
Alert alert_of(int error) {
  switch (error) {
    case ECC_PEERKEY_ERROR:
      return Alert::illegal_parameter;
    case OUT_OF_ORDER_E:
    case DUPLICATE_MSG_E:
    case NO_CHANGE_CIPHER_E:
      return Alert::unexpected_message;
    case ASN_PARSE_E:
    case BUFFER_E:
    case ASN_INPUT_E:
    case ASN_UNKNOWN_OID_E:
      return Alert::bad_certificate;
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

// The part of a Breakdown that is always known.
Breakdown Engine::known_breakdown() const {
  Breakdown breakdown;
  breakdown.remote = remote_;
  breakdown.handshaking = state_ == State::handshaking;
  breakdown.has_identity = has_identity_;
  return breakdown;
}

void Engine::fail_by_library(int result) {
  if (unasked_) return fail_unasked();
  Breakdown breakdown = known_breakdown();
  breakdown.error = wolfSSL_get_error(ssl_.get(), result);
  WOLFSSL_ALERT_HISTORY alerts{};
  if (wolfSSL_get_alert_history(ssl_.get(), &alerts) == WOLFSSL_SUCCESS &&
      alerts.last_rx.level == alert_fatal) {
    breakdown.alert = static_cast<Alert>(alerts.last_rx.code);
  }
  // A client that has not sent its Finished yet may send a plaintext alert, which wolfSSL takes for a broken header.
  // OpenSSL does so in TLS 1.3 when it distrusts a certificate.
  if (!breakdown.alert && breakdown.handshaking && framing_.type() == RecordType::alert &&
      framing_.rest() == 2 && in_.size() >= 2) {
    breakdown.alert = static_cast<Alert>(in_[1]);
  }
  // wolfSSL sends no alert in several cases: a TLS 1.2 client lacks a required certificate, a key share is malformed,
  // or a certificate cannot be decoded.
  if (breakdown.handshaking && alerts.last_tx.level != alert_fatal && !breakdown.alert) {
    // wolfSSL writes its ServerHello before it imports the client's key share, and a plaintext alert must not follow a
    // ServerHello.
    if (breakdown.error == ECC_PEERKEY_ERROR && remote_ == Remote::client) pending_.resize(pending_at_);
    say_alert(alert_of(breakdown.error));
  }
  breakdown.certificate_error = certificate_error_;
  if (verdict_) {
    breakdown.objection = verdict_->objection;
    breakdown.certificate_subject = verdict_->subject;
  }
  breakdown.highest_version = client_hello_.highest_version;
  breakdown.host = host_;
  fail(failure_of(breakdown));
}

// RFC 8446 §4.4.2: a client sends a certificate only if it was asked for one. wolfSSL, told not to ask, would accept
// it, and if its callback objects, wolfSSL ends without an alert. A TLS 1.2 client sends it in plaintext, and so is the
// alert.
void Engine::fail_unasked() {
  say_alert(Alert::unexpected_message);
  fail({"client_certificate_unasked",
        "the client sent a certificate without being asked, which TLS forbids: configure it without a key "
        "store, or have this listener ask by ssl_client_auth"});
}

// Sends our own alert before wolfSSL's state exists. That early, alerts are in plaintext (RFC 8446 §6).
void Engine::alert(Alert description) {
  for (const unsigned byte :
       {unsigned{std::to_underlying(RecordType::alert)}, 3U, 3U, 0U, 2U,
        unsigned{std::to_underlying(AlertLevel::fatal)}, unsigned{std::to_underlying(description)}}) {
    pending_.push_back(static_cast<std::byte>(byte));
  }
}

void Engine::end_of_input() {
  if (state_ == State::ended || state_ == State::failed) return;
  if (hello_reader_ != nullptr && hello_reader_->reading() == HelloReading::not_tls) {
    if (auto failure = not_tls(hello_, remote_, true)) return fail(std::move(*failure));
  }
  if (foreign_) {
    if (auto failure = not_tls(hello_, remote_, true)) return fail(std::move(*failure));
  }
  fail(ended_early(remote_, state_ == State::handshaking, heard_));
}

std::string Engine::handshake_state() const {
  if (state_ != State::handshaking) return "the handshake is done";
  if (ssl_ == nullptr) {
    return hello_.empty()
               ? "no byte of the ClientHello has arrived"
               : counted(hello_.size(), "byte of the ClientHello has", "bytes of the ClientHello have") +
                     " arrived";
  }
  if (remote_ == Remote::broker) {
    return heard_ ? "the broker's answer to the ClientHello is incomplete"
                  : "the broker has not answered the ClientHello";
  }
  return "the client's ClientHello was answered, and its Finished is missing";
}

// wolfSSL calls this for certificates that do not verify, and twice for the leaf. No certificate ever verifies, because
// wolfSSL holds no authorities: the verdict is x509::TrustStore's.
int Engine::on_verify(int verified, WOLFSSL_X509_STORE_CTX* store) {
  Engine& self = *static_cast<Engine*>(store->userCtx);
  if (self.remote_ == Remote::client && self.server_context_->client_auth() == ClientAuth::none) {
    self.unasked_ = true;
    return 0;
  }
  // No certificate was sent. wolfSSL decides whether one is required.
  if (store->error_depth < 0 || store->error_depth >= store->totalCerts) return verified;
  return self.accepts(*store) ? 1 : 0;
}

bool Engine::accepts(const WOLFSSL_X509_STORE_CTX& store) {
  if (!verdict_) judge(store);
  if (!verdict_->good()) return false;
  const int error = store.error;
  const bool no_signer = error == 0 || error == ASN_NO_SIGNER_E || error == ASN_SELF_SIGNED_E;
  if (store.error_depth == 0) {
    // Before the second call wolfSSL has done its own checks. They count, except the version that it demands of
    // clients' leaves, because `openssl x509 -req` makes version 1.
    const bool second = std::exchange(leaf_accepted_, true);
    if (error == 0 || error == ASN_VERSION_E || (!second && no_signer)) return true;
    certificate_error_ = error;
    return false;
  }
  if (no_signer) return true;
  const auto on_path = std::ranges::find(verdict_->path, static_cast<std::size_t>(store.error_depth));
  if (on_path != verdict_->path.end()) {
    certificate_error_ = error;
    return false;
  }
  return true;
}

void Engine::judge(const WOLFSSL_X509_STORE_CTX& store) {
  std::vector<std::span<const std::byte>> chain;
  for (int i = 0; i < store.totalCerts; ++i)
    chain.push_back(std::as_bytes(std::span(store.certs[i].buffer, store.certs[i].length)));
  const bool client = remote_ == Remote::client;
  x509::Question question{.chain = chain,
                          .now_s = client ? server_context_->now_s() : client_context_->now_s()};
  if (!client && client_context_->verify_host_name()) question.host = host_;
  verdict_ = client ? server_context_->trust()->judge(question) : client_context_->trust().judge(question);
  good_until_s_ = verdict_->good_until_s;
  if (client && describes_client_ && !chain.empty())
    client_certificate_ = std::make_unique<const x509::Description>(x509::describe(chain.front()));
  if (!verdict_->good()) say_alert(static_cast<Alert>(verdict_->objection.alert));
}

// Sends a fatal alert instead of wolfSSL's, encrypted if the keys of a TLS 1.3 handshake exist.
void Engine::say_alert(Alert description) {
  if (std::exchange(alert_said_, true)) return;
  const bool sealed = wolfSSL_version(ssl_.get()) == TLS1_3_VERSION;
  const auto keys =
      sealed ? keys_of(ssl_.get(), Version::tls_1_3, remote_ == Remote::client, sent_nonce_) : std::nullopt;
  const bool derived =
      keys && std::ranges::any_of(keys->send.key, [](std::byte byte) { return byte != std::byte{}; });
  if (!derived) return alert(description);
  Records(*keys, {}, remote_).say_alert(AlertLevel::fatal, description, pending_);
}

}  // namespace kferry::tls
