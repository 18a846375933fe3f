// TLS records in the kernel (kernel TLS, linux/tls.h): after the handshake each direction's keys are handed to the
// kernel where it has the cipher. From then on the direction is plaintext to us, splices included; only records that
// are not data still come to the engine, one by one. A direction that the kernel does not take stays in user space.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "connection/record_transport.h"
#include "tls/record/traffic_key.h"

namespace kferry::connection {

// What a worker's connections hand to the kernel. Both become false once the kernel has shown that it has no TLS.
struct KernelTls {
  bool send = false;
  bool receive = false;
  // Connections whose direction the kernel has at the moment, by tls::Remote; for metrics.
  std::array<std::uint32_t, 2> sending{};
  std::array<std::uint32_t, 2> receiving{};

  bool wanted() const { return send || receive; }
};

class KernelTransport final : public RecordTransport {
 public:
  // `socket` is the leg's; `kernel_tls` outlives the transport.
  KernelTransport(ring::Ring& ring, tls::Remote remote, std::unique_ptr<tls::Engine> engine,
                  ring::Socket socket, KernelTls& kernel_tls)
      : RecordTransport(ring, remote, std::move(engine)), socket_(socket), kernel_tls_(kernel_tls) {}
  ~KernelTransport() override;

  std::size_t receive_size(std::size_t size_max) const override;
  Received received(std::int32_t result, std::span<const ring::Piece> pieces, net::Rope& input,
                    bool bare_end_allowed) override;
  Received receive_failed(int error, net::Rope& input) override;
  OwnRecords send_own_records() override;
  Outgoing outgoing(net::Rope& output, bool with_data, Follow follow, std::span<iovec> room) override;
  std::size_t sent(net::Rope& output, std::size_t size) override;
  std::size_t still_on_rope(std::size_t size) const override { return splices_output() ? size : 0; }
  bool drained() const override;
  bool splices_input() const override { return receive_ == Direction::kernel; }
  bool splices_output() const override { return send_ == Direction::kernel; }
  void sent_by_kernel(std::uint64_t size) override { tls().sent_by_kernel(size); }
  void hand_over(bool no_send_pending, bool no_receive_pending) override;

 private:
  enum class Direction : std::uint8_t {
    user_space,
    kernel,
    refused,  // the kernel does not take this connection's keys: neither direction is offered again
  };

  void hand_over(Direction& direction, bool sending);
  std::uint32_t& count(bool sending) {
    return (sending ? kernel_tls_.sending : kernel_tls_.receiving)[static_cast<std::size_t>(remote())];
  }
  int give_key(bool sending, const tls::TrafficKey& key);
  bool may_hand_over() const;
  Received take_record(net::Rope& input);

  const ring::Socket socket_;
  KernelTls& kernel_tls_;
  Direction send_ = Direction::user_space;
  Direction receive_ = Direction::user_space;
};

// The transport of a TLS connection on `socket`: with kernel TLS where `kernel_tls` wants it, else in user space.
std::unique_ptr<Transport> make_tls_transport(ring::Ring& ring, tls::Remote remote,
                                              std::unique_ptr<tls::Engine> engine, ring::Socket socket,
                                              KernelTls& kernel_tls);

}  // namespace kferry::connection
