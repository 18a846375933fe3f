// TLS between a socket and the ropes: what was received becomes plaintext at the end of a rope's input, what is
// ready on a rope becomes ciphertext that stands still while it is sent. Does no I/O and keeps nothing while
// nothing moves, apart from the engine.
//
//   pieces ─receive()─▶ tls::Engine ─▶ Rope input        Rope ready ─to_send()─▶ tls::Engine ─▶ the ciphertext
//
// Each direction may be handed over to the kernel once its state allows (kernel TLS): its octets are then
// plaintext to us and go past this class; records that are no data still come to the engine.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "net/rope.h"
#include "ring/ring.h"
#include "tls/engine.h"

namespace kferry::proxy {

class TlsStream {
 public:
  explicit TlsStream(std::unique_ptr<tls::Engine> engine) : engine_(std::move(engine)) {}

  tls::Engine& engine() { return *engine_; }
  const tls::Engine& engine() const { return *engine_; }
  bool handshaking() const { return state() == tls::Engine::State::handshaking; }
  bool open() const { return state() == tls::Engine::State::open; }
  bool failed() const { return state() == tls::Engine::State::failed; }
  // The other side has said close_notify.
  bool ended() const { return state() == tls::Engine::State::ended; }
  // Whether octets have come, of whatever kind.
  bool heard() const { return heard_; }

  // Decrypts the pieces onto the rope and gives their buffers back.
  void receive(std::span<const ring::Piece> pieces, ring::Ring& ring, net::Rope& to);
  // The socket's end came.
  void end_of_input() { engine_->end_of_input(); }

  // What is to be sent now, the same until sent() has taken it all; empty when there is nothing. Encrypts of the
  // rope's ready octets; nullptr: only what the engine itself has to say. No gather of the rope may be under way.
  // `goes_on`: what is ready ends inside a frame that it is nothing but a part of.
  std::span<const std::byte> to_send(net::Rope* from, bool goes_on);
  void sent(std::size_t size);
  // What to_send() gave holds some of the rope's octets.
  bool sends_data() const { return sends_data_; }
  // What to_send() gave is followed by more: of the rope's, at once, or of the frame that it is a part of.
  bool goes_on() const { return goes_on_; }
  // Nothing waits to be sent.
  bool idle() const { return cipher_ == nullptr && engine_->to_send().empty(); }

  // Says close_notify after what was encrypted; nothing can be encrypted after it.
  void close() { engine_->close(); }
  bool closed() const { return engine_->closed(); }

  // --- kernel TLS
  bool kernel_sends() const { return kernel_sends_; }
  bool kernel_receives() const { return kernel_receives_; }
  // With no send outstanding: everything that was encrypted has left.
  bool may_hand_over_sending() const {
    return open() && !kernel_sends_ && engine_->records() != nullptr && !closed() && idle();
  }
  // With no receive outstanding: what was received ends with a record.
  bool may_hand_over_receiving() const {
    return open() && !kernel_receives_ && engine_->records() != nullptr && engine_->record_rest() == 0 &&
           !engine_->has_plain();
  }
  // What is still to come of the record that has begun; 0 between records.
  std::size_t record_rest() const { return engine_->record_rest(); }
  void handed_over(bool sending, bool changes_keys);

 private:
  void decrypt(std::span<const ring::Piece> pieces, net::Rope& to);
  void encrypt(net::Rope& from, std::span<std::byte> room);
  tls::Engine::State state() const { return engine_->state(); }

  std::unique_ptr<tls::Engine> engine_;
  std::unique_ptr<std::byte[]> cipher_;  // never cleared: it is as large as a send
  std::size_t cipher_size_ = 0;
  std::size_t cipher_at_ = 0;
  bool sends_data_ = false;
  bool goes_on_ = false;
  bool heard_ = false;
  bool kernel_sends_ = false;
  bool kernel_receives_ = false;
};

}  // namespace kferry::proxy
