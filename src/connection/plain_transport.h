// The transport of a plaintext leg: the bytes on the socket are those on the ropes. Inline, so that the path of a frame
// pays for no call.
#pragma once

#include "connection/transport.h"

namespace kferry::connection {

// Stateless: one instance serves every plaintext leg.
class PlainTransport final : public Transport {
 public:
  constexpr PlainTransport() = default;

  State state() const override { return State::open; }
  std::size_t receive_size(std::size_t size_max) const override { return size_max; }
  Received received(std::int32_t result, std::span<const ring::Piece> pieces, net::Rope& input,
                    bool /*bare_end_allowed*/) override {
    input.received(pieces);
    return {result == 0 ? Received::What::end : Received::What::bytes};
  }
  Received receive_failed(int error, net::Rope& /*input*/) override { return {Received::What::error, error}; }
  bool between_records() const override { return true; }
  OwnRecords send_own_records() override { return OwnRecords::sent; }
  Outgoing outgoing(net::Rope& output, bool with_data, Follow follow, std::span<iovec> room) override {
    if (!with_data || output.ready_size() == 0) return {};
    const std::size_t count = output.gather(room);
    return {room.first(count), output.ready_size(), output.input_size() == 0, follow};
  }
  std::size_t sent(net::Rope& output, std::size_t size) override {
    output.sent(size);
    return size;
  }
  std::size_t still_on_rope(std::size_t size) const override { return size; }
  void close() override {}
  bool closed() const override { return true; }
  bool drained() const override { return true; }
  bool splices_input() const override { return true; }
  bool splices_output() const override { return true; }
  void sent_by_kernel(std::uint64_t /*size*/) override {}
  bool raw() const override { return true; }
  void hand_over(bool /*no_send_pending*/, bool /*no_receive_pending*/) override {}
  bool key_exhausted() const override { return false; }
  const Failure& failure() const override;
  const tls::Engine* engine() const override { return nullptr; }
};

inline constinit PlainTransport plain_transport;

}  // namespace kferry::connection
