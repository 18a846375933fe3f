// TLS between discovery and a broker: the handshake, and what is decrypted. The contract stands in proxy/discovery.h.
#include <array>
#include <utility>

#include "proxy/discovery.h"
#include "proxy/worker.h"

namespace kferry::proxy {

using std::chrono::milliseconds;

void Discovery::start_tls() {
  auto [context, why_not] = worker_.client_context(cluster_);
  if (context == nullptr) {
    give_up("TLS: " + why_not);
    return;
  }
  stage_ = Stage::securing;
  const HostPort& where = targets_[target_].address;
  tls_ = tls::Engine::client(std::move(context), where.host, static_cast<std::uint16_t>(where.port),
                             !full_handshake_);
  set_alarm(milliseconds(worker_.limits().tls_handshake_timeout_ms));
  follow_tls(false);
}

// Something was received, or its end; goes on with the handshake, or with the question.
void Discovery::follow_tls(bool end) {
  using State = tls::Engine::State;
  if (end) tls_->end_of_input();
  if (tls_->state() == State::failed) {
    // As in a session: a ticket that is not taken is followed by a full handshake.
    again_ = tls_->failed_on_resumption();
    full_handshake_ = full_handshake_ || again_;
    give_up(tls_->failure().text);
    return;
  }
  if (stage_ != Stage::securing) {
    submit_send();  // it may have something of its own to say
    take_answer();
  } else if (tls_->state() == State::open) {
    set_alarm(attempt_timeout);
    introduce();
  } else if (tls_->state() == State::ended) {
    give_up("closed after the TLS handshake");
  } else {
    submit_send();
    submit_receive();
  }
}

void Discovery::decrypt(std::span<const std::byte> cipher) {
  std::array<std::byte, tls::record_plain_max> plain;
  while (!cipher.empty() || tls_->has_plain()) {
    const auto moved = tls_->feed(cipher, plain);
    incoming_.insert(incoming_.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(moved.made));
    cipher = cipher.subspan(moved.taken);
    if (moved.taken == 0 && moved.made == 0) return;
  }
}

}  // namespace kferry::proxy
