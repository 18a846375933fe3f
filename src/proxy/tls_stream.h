// TLS between a socket and the ropes: what was received becomes plaintext at the end of a rope's input, what is
// ready on a rope becomes ciphertext that stands still while it is sent. Does no I/O and keeps nothing while
// nothing moves, apart from the engine.
//
//   pieces ─receive()─▶ tls::Engine ─▶ Rope input        Rope ready ─to_send()─▶ tls::Engine ─▶ the ciphertext
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "net/rope.h"
#include "ring/ring.h"
#include "tls/engine.h"

namespace kferry::proxy {

class TlsStream {
 public:
  explicit TlsStream(std::unique_ptr<tls::Engine> engine) : engine_(std::move(engine)) {}

  const tls::Engine& engine() const { return *engine_; }
  bool handshaking() const { return engine_->state() == tls::Engine::State::handshaking; }
  bool open() const { return engine_->state() == tls::Engine::State::open; }
  bool failed() const { return engine_->state() == tls::Engine::State::failed; }
  // The other side has said close_notify.
  bool ended() const { return engine_->state() == tls::Engine::State::ended; }
  // Whether octets have come, of whatever kind.
  bool heard() const { return heard_; }

  // Decrypts the pieces onto the rope and gives their buffers back.
  void receive(std::span<const ring::Piece> pieces, ring::Ring& ring, net::Rope& to);
  // The socket's end came.
  void end_of_input() { engine_->end_of_input(); }

  // What is to be sent now, the same until sent() has taken it all; empty when there is nothing. Encrypts of the
  // rope's ready octets; nullptr: only what the engine itself has to say. No gather of the rope may be under way.
  std::span<const std::byte> to_send(net::Rope* from);
  void sent(std::size_t size);
  // Nothing waits to be sent.
  bool idle() const { return cipher_.empty() && engine_->to_send().empty(); }

  // Says close_notify after what was encrypted; nothing can be encrypted after it.
  void close();
  bool closed() const { return closed_; }

 private:
  void encrypt(net::Rope& from);

  std::unique_ptr<tls::Engine> engine_;
  std::vector<std::byte> cipher_;
  std::size_t cipher_at_ = 0;
  bool closed_ = false;
  bool heard_ = false;
};

}  // namespace kferry::proxy
