#include "connection/record_transport.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"

namespace kferry::connection {
namespace {

// Plaintext that is encrypted for one send, in whole records.
constexpr std::size_t encrypted_size_max = 4 * tls::record_plain_max;
constexpr std::size_t received_pieces_max = 32;
// The room for a record includes its type byte. Plaintext is decrypted into blocks of at most decrypted_size_max.
constexpr std::size_t record_room = tls::record_plain_max + 1;
constexpr std::size_t decrypted_size_max = 4 * tls::record_plain_max + 1;

}  // namespace

Transport::State RecordTransport::state() const {
  switch (engine_->state()) {
    case tls::Engine::State::handshaking:
      return State::handshaking;
    case tls::Engine::State::open:
      return State::open;
    case tls::Engine::State::ended:
      return State::ended;
    case tls::Engine::State::failed:
      return State::failed;
  }
  KFERRY_ASSERT(false);
  return State::failed;
}

// --- receiving

Transport::Received RecordTransport::received(std::int32_t result, std::span<const ring::Piece> pieces,
                                              net::Rope& input, bool bare_end_allowed) {
  while (!pieces.empty()) {
    const auto some = pieces.first(std::min(pieces.size(), received_pieces_max));
    decrypt(some, input);
    for (const ring::Piece& piece : some) ring_.recycle(piece.id);
    pieces = pieces.subspan(some.size());
  }
  // A client that closes before its first byte is a port probe: not a failure of TLS.
  const bool probe = remote_ == tls::Remote::client && !engine_->heard();
  if (result == 0 && !bare_end_allowed && !probe) engine_->end_of_input();
  return outcome(result == 0);
}

Transport::Received RecordTransport::outcome(bool end_of_stream) const {
  using What = Received::What;
  if (state() == State::failed)
    return {end_of_stream && engine_->failure().cause == "truncated" ? What::truncated : What::failed};
  return {end_of_stream || state() == State::ended ? What::end : What::bytes};
}

Transport::Received RecordTransport::receive_failed(int error, net::Rope& /*input*/) {
  return {Received::What::error, error};
}

void RecordTransport::decrypt(std::span<const ring::Piece> pieces, net::Rope& input) {
  std::array<iovec, received_pieces_max> runs;
  std::size_t size = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    runs[i] = {const_cast<std::byte*>(pieces[i].bytes.data()), pieces[i].bytes.size()};
    size += pieces[i].bytes.size();
  }
  tls::Gather cipher({runs.data(), pieces.size()}, size);
  // A failed engine takes nothing more. An engine whose answers are not read takes nothing now, and the rest of the
  // pieces is lost: a peer that makes it answer so much is not a Kafka peer.
  while (cipher.size() > 0 || engine_->has_plain()) {
    const std::size_t before = cipher.size();
    const std::size_t made =
        engine_->feed(cipher, input.room(std::clamp(before, record_room, decrypted_size_max)));
    input.fill_room(made);
    if (cipher.size() == before && made == 0) break;
  }
}

// --- sending

Transport::Outgoing RecordTransport::outgoing(net::Rope& output, bool with_data, Follow follow_data,
                                              std::span<iovec> room) {
  const bool may_send_data = with_data && (state() == State::open || state() == State::ended);
  if (cipher_ == nullptr) {
    const std::span<const std::byte> own = engine_->to_send();
    const bool data = may_send_data && !closed() && output.ready_size() > 0;
    if (own.empty() && !data) return {};
    const std::size_t plain = data ? std::min(output.ready_size(), encrypted_size_max) : 0;
    const std::size_t records = plain / tls::record_plain_max + 2;
    const std::size_t size = own.size() + (data ? plain + records * tls::record_overhead_max : 0);
    cipher_ = std::make_unique_for_overwrite<std::byte[]>(size);
    std::ranges::copy(own, cipher_.get());
    cipher_size_ = own.size();
    engine_->sent(own.size());
    cipher_holds_ = Cipher::own_bytes;
    if (data) {
      encrypt(output, {cipher_.get() + cipher_size_, size - cipher_size_});
      const bool more = follow_data == Follow::more || output.ready_size() > 0;
      cipher_holds_ = more ? Cipher::data_and_more : Cipher::data;
    }
  }
  room[0] = {cipher_.get() + cipher_at_, cipher_size_ - cipher_at_};
  const bool deferrable = may_send_data && output.ready_size() == 0 && output.input_size() == 0 && !closed();
  return {room.first(1), room[0].iov_len, deferrable, follow()};
}

// A FIN follows close_notify. A TLS 1.3 client that has sent Finished does not wait for our tickets and our answers to
// its KeyUpdate: they leave with what comes next, or by themselves after 200 ms (tcp(7), MSG_MORE).
Follow RecordTransport::follow() const {
  const bool awaited = cipher_holds_ != Cipher::own_bytes || remote_ == tls::Remote::broker ||
                       state() != State::open || engine_->negotiated().version != tls::Version::tls_1_3;
  const bool more = closed() || !awaited || cipher_holds_ == Cipher::data_and_more;
  return more ? Follow::more : Follow::nothing;
}

void RecordTransport::encrypt(net::Rope& output, std::span<std::byte> room) {
  std::array<iovec, send_pieces_max> pieces;
  const std::size_t count = output.gather(pieces);
  tls::Gather plain({pieces.data(), count}, encrypted_size_max);
  const auto moved = engine_->write(plain, room);
  cipher_size_ += moved.made;
  cipher_plain_ = moved.taken;
  output.sent(moved.taken);
}

std::size_t RecordTransport::sent(net::Rope& /*output*/, std::size_t size) {
  cipher_at_ += size;
  KFERRY_ASSERT(cipher_at_ <= cipher_size_);
  if (cipher_at_ < cipher_size_) return 0;
  cipher_.reset();
  cipher_at_ = cipher_size_ = 0;
  return std::exchange(cipher_plain_, 0);
}

void RecordTransport::close() {
  if (state() != State::failed) engine_->close();
}

}  // namespace kferry::connection
