// TLS in user space: received pieces are decrypted onto the input rope, and what is ready on the output rope is
// encrypted into one block, which stays in place while it is sent. Keeps nothing while nothing moves, apart from the
// engine. kernel_transport.h extends it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "connection/transport.h"
#include "tls/engine.h"

namespace kferry::connection {

class RecordTransport : public Transport {
 public:
  // `ring` outlives the transport and takes back the buffers of received pieces. `remote`: who is at the other end.
  RecordTransport(ring::Ring& ring, tls::Remote remote, std::unique_ptr<tls::Engine> engine)
      : ring_(ring), remote_(remote), engine_(std::move(engine)) {}

  State state() const override;
  std::size_t receive_size(std::size_t size_max) const override { return size_max; }
  Received received(std::int32_t result, std::span<const ring::Piece> pieces, net::Rope& input,
                    bool bare_end_allowed) override;
  Received receive_failed(int error, net::Rope& input) override;
  bool between_records() const override { return engine_->record_rest() == 0; }
  OwnRecords send_own_records() override { return OwnRecords::sent; }
  Outgoing outgoing(net::Rope& output, bool with_data, Follow follow, std::span<iovec> room) override;
  std::size_t sent(net::Rope& output, std::size_t size) override;
  std::size_t still_on_rope(std::size_t /*size*/) const override { return 0; }
  void close() override;
  bool closed() const override { return engine_->closed(); }
  bool drained() const override { return cipher_ == nullptr && engine_->to_send().empty(); }
  bool splices_input() const override { return false; }
  bool splices_output() const override { return false; }
  void sent_by_kernel(std::uint64_t /*size*/) override {}
  bool raw() const override { return false; }
  void hand_over(bool /*no_send_pending*/, bool /*no_receive_pending*/) override {}
  bool key_exhausted() const override { return engine_->key_used_up(); }
  const Failure& failure() const override { return engine_->failure(); }
  const tls::Engine* engine() const override { return engine_.get(); }

 protected:
  ring::Ring& ring() const { return ring_; }
  tls::Remote remote() const { return remote_; }
  tls::Engine& tls() const { return *engine_; }
  // What received() returns once the engine has taken what came.
  Received outcome(bool end_of_stream) const;

 private:
  // What the block in cipher_ is followed by, and whether anyone waits for it.
  enum class Cipher : std::uint8_t { own_bytes, data, data_and_more };

  void decrypt(std::span<const ring::Piece> pieces, net::Rope& input);
  void encrypt(net::Rope& output, std::span<std::byte> room);
  Follow follow() const;

  ring::Ring& ring_;
  const tls::Remote remote_;
  Cipher cipher_holds_ = Cipher::own_bytes;
  std::unique_ptr<tls::Engine> engine_;
  std::unique_ptr<std::byte[]>
      cipher_;                    // null while nothing encrypted waits; never cleared: as large as a send
  std::size_t cipher_size_ = 0;   // bytes in cipher_
  std::size_t cipher_plain_ = 0;  // bytes of the output in it
  std::size_t cipher_at_ = 0;     // of which this many have left
};

}  // namespace kferry::connection
