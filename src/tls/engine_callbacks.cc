// What wolfSSL calls while it has the connection, and the tickets that it receives. Documented in tls/engine.h.
#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "tls/engine.h"

namespace kferry::tls {

// wolfSSL sends whole records. In TLS 1.2 with GCM, the last one has the newest explicit nonce.
void Engine::note_nonce(std::span<const std::byte> records) {
  while (records.size() >= record_header_size) {
    const std::size_t size = record_body_size(records.first<record_header_size>());
    const auto body =
        records.subspan(record_header_size, std::min(size, records.size() - record_header_size));
    if (body.size() >= sent_nonce_.size()) std::copy_n(body.begin(), sent_nonce_.size(), sent_nonce_.begin());
    records = records.subspan(record_header_size + body.size());
  }
}

void Engine::keep_session() {
  ticket_came_ = false;
  if (state_ != State::open && state_ != State::ended) return;
  // TLS 1.2 sessions are never resumed. wolfSSL 5.5's client assumes that the server accepted the ticket, whatever its
  // answer, so a restarted broker would cost a failed dial.
  if (negotiated_.version == Version::tls_1_2) return;
  client_context_->sessions()->keep_from(ssl_.get(), session_name_, good_until_s_);
}

int Engine::on_receive(WOLFSSL*, char* room, int size, void* engine) {
  Engine& self = *static_cast<Engine*>(engine);
  if (self.to_send().size() > pending_size_max) return WOLFSSL_CBIO_ERR_WANT_READ;
  // A server's first bytes were held back until the ClientHello was complete.
  const bool held = self.remote_ == Remote::client && self.hello_at_ < self.hello_.size();
  const auto source = held ? std::span<const std::byte>(self.hello_).subspan(self.hello_at_) : self.in_;
  const auto part = source.first(std::min(source.size(), static_cast<std::size_t>(size)));
  if (part.empty()) return WOLFSSL_CBIO_ERR_WANT_READ;
  self.framing_.note(part);
  std::memcpy(room, part.data(), part.size());
  if (!held) {
    self.in_ = self.in_.subspan(part.size());
  } else {
    self.hello_at_ += part.size();
    if (self.hello_at_ == self.hello_.size()) {
      Bytes().swap(self.hello_);
      self.hello_at_ = 0;
    }
  }
  return static_cast<int>(part.size());
}

int Engine::on_send(WOLFSSL* ssl, char* bytes, int size, void* engine) {
  Engine& self = *static_cast<Engine*>(engine);
  // Suppresses wolfSSL's own alert if a better one was sent.
  if (self.alert_said_ || (self.unasked_ && wolfSSL_version(ssl) != TLS1_3_VERSION)) return size;
  const auto all = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
  self.note_nonce(all);
  // Once bytes are in pending_, later ones must go there, too.
  const std::size_t straight = self.to_send().empty() ? std::min(all.size(), self.out_.size()) : 0;
  std::copy_n(all.begin(), straight, self.out_.begin());
  self.out_ = self.out_.subspan(straight);
  self.pending_.insert(self.pending_.end(), all.begin() + static_cast<std::ptrdiff_t>(straight), all.end());
  return size;
}

int Engine::on_ticket(WOLFSSL*, const unsigned char*, int, void* engine) {
  Engine& self = *static_cast<Engine*>(engine);
  self.ticket_came_ = true;
  return 0;
}

}  // namespace kferry::tls
