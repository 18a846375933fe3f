#include "connection/kernel_transport.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "ring/kernel_tls.h"
#include "tls/record/kernel_keys.h"

namespace kferry::connection {

std::unique_ptr<Transport> make_tls_transport(ring::Ring& ring, tls::Remote remote,
                                              std::unique_ptr<tls::Engine> engine, ring::Socket socket,
                                              KernelTls& kernel_tls) {
  if (!kernel_tls.wanted()) return std::make_unique<RecordTransport>(ring, remote, std::move(engine));
  return std::make_unique<KernelTransport>(ring, remote, std::move(engine), socket, kernel_tls);
}

KernelTransport::~KernelTransport() {
  if (send_ == Direction::kernel) --count(true);
  if (receive_ == Direction::kernel) --count(false);
}

// --- handing over

bool KernelTransport::may_hand_over() const {
  return kernel_tls_.wanted() && send_ != Direction::refused && receive_ != Direction::refused &&
         tls().records() != nullptr;
}

void KernelTransport::hand_over(bool no_send_pending, bool no_receive_pending) {
  if (!may_hand_over() || state() != State::open) return;
  const bool sending_idle = no_send_pending && RecordTransport::drained() && !closed();
  if (kernel_tls_.send && send_ == Direction::user_space && sending_idle) hand_over(send_, true);
  // The kernel takes over at a record's end, once everything received has been decrypted.
  const bool receiving_idle = no_receive_pending && between_records() && !tls().has_plain();
  if (may_hand_over() && kernel_tls_.receive && receive_ == Direction::user_space && receiving_idle)
    hand_over(receive_, false);
}

void KernelTransport::hand_over(Direction& direction, bool sending) {
  const tls::TrafficKeys keys = tls().records()->keys();
  const int error = give_key(sending, sending ? keys.send : keys.receive);
  if (error == 0) {
    direction = Direction::kernel;
    ++count(sending);
    tls().hand_over(sending, ring::kernel_tls_changes_keys());
    return;
  }
  direction = Direction::refused;
  // This kernel has no TLS at all: no other connection asks again.
  if (error == -ENOENT || error == -ENOPROTOOPT) kernel_tls_.send = kernel_tls_.receive = false;
}

int KernelTransport::give_key(bool sending, const tls::TrafficKey& key) {
  const tls::KernelKeys keys(key);
  return ring().set_tls_key(socket_, sending, keys.bytes());
}

// --- receiving

// Up to the end of the record, so that the kernel can take over there.
std::size_t KernelTransport::receive_size(std::size_t size_max) const {
  if (receive_ != Direction::user_space || !may_hand_over() || between_records()) return size_max;
  return std::min(size_max, tls().record_rest());
}

Transport::Received KernelTransport::received(std::int32_t result, std::span<const ring::Piece> pieces,
                                              net::Rope& input, bool bare_end_allowed) {
  if (receive_ != Direction::kernel)
    return RecordTransport::received(result, pieces, input, bare_end_allowed);
  input.received(pieces);
  if (result > 0) return {};
  return {bare_end_allowed ? Received::What::end : Received::What::truncated};
}

Transport::Received KernelTransport::receive_failed(int error, net::Rope& input) {
  if (receive_ == Direction::kernel && error == EIO) return take_record(input);
  if (receive_ == Direction::kernel && error == EBADMSG) {
    tls().handle_forged_record();
    return {Received::What::failed};
  }
  return {Received::What::error, error};
}

// The kernel met a record that is not data.
Transport::Received KernelTransport::take_record(net::Rope& input) {
  std::array<std::byte, tls::record_plain_max> room;
  std::uint8_t type = 0;
  const int size = ring().receive_tls_record(socket_, room, type);
  if (size == -EAGAIN) return {};
  if (size == -EBADMSG) {
    tls().handle_forged_record();
    return {Received::What::failed};
  }
  if (size < 0) return {Received::What::error, -size};
  const std::span<const std::byte> content = std::span(room).first(static_cast<std::size_t>(size));
  const auto record = static_cast<tls::RecordType>(type);
  if (record == tls::RecordType::data) {
    input.received_copy(content);
    return {};
  }
  tls().handle_record(record, content);
  if (state() == State::failed) return {Received::What::failed};
  if (tls().receive_lost()) return {Received::What::keys_lost};
  int error = 0;
  if (const auto key = tls().changed_receive_key()) {
    error = give_key(false, *key);
  } else if (tls().receive_waits()) {
    error = ring().reinstall_tls_key(socket_);
  }
  if (error != 0) return {Received::What::error, -error};
  return outcome(false);
}

// --- sending

// What the engine itself has to say where the kernel sends: alerts, a KeyUpdate.
Transport::OwnRecords KernelTransport::send_own_records() {
  if (send_ != Direction::kernel) return OwnRecords::sent;
  while (const auto record = tls().control_record()) {
    const int result =
        ring().send_tls_record(socket_, static_cast<std::uint8_t>(record->type), record->content());
    if (result == -EAGAIN) return OwnRecords::no_room;
    // The next operation on the socket reports any other error.
    const auto key = tls().control_record_sent();
    if (key && give_key(true, *key) != 0 && result >= 0) return OwnRecords::no_key;
  }
  return OwnRecords::sent;
}

Transport::Outgoing KernelTransport::outgoing(net::Rope& output, bool with_data, Follow follow,
                                              std::span<iovec> room) {
  if (send_ != Direction::kernel) return RecordTransport::outgoing(output, with_data, follow, room);
  if (!with_data || state() == State::failed || output.ready_size() == 0) return {};
  const std::size_t count = output.gather(room);
  // Kernel TLS refuses the MSG_WAITALL that a deferrable send needs (EOPNOTSUPP), and with MSG_MORE it would keep what
  // does not fill a record until more comes.
  return {room.first(count), output.ready_size(), false, Follow::nothing};
}

std::size_t KernelTransport::sent(net::Rope& output, std::size_t size) {
  if (send_ != Direction::kernel) return RecordTransport::sent(output, size);
  output.sent(size);
  tls().sent_by_kernel(size);
  return size;
}

bool KernelTransport::drained() const {
  return send_ == Direction::kernel ? !tls().control_record().has_value() : RecordTransport::drained();
}

}  // namespace kferry::connection
