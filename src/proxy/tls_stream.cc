#include "proxy/tls_stream.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"

namespace kferry::proxy {
namespace {

// Plaintext that is encrypted for one send, in whole records.
constexpr std::size_t encrypted_size_max = 4 * tls::record_plain_max;
constexpr std::size_t pieces_max = 16;
constexpr std::size_t received_pieces_max = 32;
// A record is opened into room for its type, too. Plaintext that is decrypted into one block.
constexpr std::size_t record_room = tls::record_plain_max + 1;
constexpr std::size_t decrypted_size_max = 4 * tls::record_plain_max + 1;

}  // namespace

void TlsStream::receive(std::span<const ring::Piece> pieces, ring::Ring& ring, net::Rope& to) {
  while (!pieces.empty()) {
    const auto some = pieces.first(std::min(pieces.size(), received_pieces_max));
    decrypt(some, to);
    for (const ring::Piece& piece : some) ring.recycle(piece.id);
    pieces = pieces.subspan(some.size());
  }
}

void TlsStream::decrypt(std::span<const ring::Piece> pieces, net::Rope& to) {
  std::array<iovec, received_pieces_max> runs;
  std::size_t size = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    runs[i] = {const_cast<std::byte*>(pieces[i].bytes.data()), pieces[i].bytes.size()};
    size += pieces[i].bytes.size();
  }
  heard_ = heard_ || size > 0;
  tls::Gather cipher({runs.data(), pieces.size()}, size);
  // A failed engine takes nothing more; one whose answers nobody reads takes nothing now, and what it leaves is lost:
  // whoever makes it answer so much is no Kafka peer.
  while (cipher.size() > 0 || engine_->has_plain()) {
    const std::size_t before = cipher.size();
    const std::size_t made =
        engine_->feed(cipher, to.room(std::clamp(before, record_room, decrypted_size_max)));
    to.fill_room(made);
    if (cipher.size() == before && made == 0) break;
  }
}

std::span<const std::byte> TlsStream::to_send(net::Rope* from, bool goes_on) {
  if (cipher_ == nullptr) {
    const std::span<const std::byte> own = engine_->to_send();
    const bool more = from != nullptr && !closed() && from->ready_size() > 0;
    if (own.empty() && !more) return {};
    const std::size_t plain = more ? std::min(from->ready_size(), encrypted_size_max) : 0;
    const std::size_t records = plain / tls::record_plain_max + 2;
    const std::size_t room = own.size() + (more ? plain + records * tls::record_overhead_max : 0);
    cipher_ = std::make_unique_for_overwrite<std::byte[]>(room);
    std::ranges::copy(own, cipher_.get());
    cipher_size_ = own.size();
    engine_->sent(own.size());
    sends_data_ = more;
    if (more) encrypt(*from, {cipher_.get() + cipher_size_, room - cipher_size_});
    goes_on_ = more && (goes_on || from->ready_size() > 0);
  }
  return {cipher_.get() + cipher_at_, cipher_size_ - cipher_at_};
}

void TlsStream::encrypt(net::Rope& from, std::span<std::byte> room) {
  std::array<iovec, pieces_max> pieces;
  const std::size_t count = from.gather(pieces);
  tls::Gather plain({pieces.data(), count}, encrypted_size_max);
  const auto moved = engine_->write(plain, room);
  cipher_size_ += moved.made;
  from.sent(moved.taken);
}

void TlsStream::sent(std::size_t size) {
  cipher_at_ += size;
  if (cipher_at_ < cipher_size_) return;
  cipher_.reset();
  cipher_at_ = cipher_size_ = 0;
}

void TlsStream::handed_over(bool sending, bool changes_keys) {
  (sending ? kernel_sends_ : kernel_receives_) = true;
  engine_->hand_over(sending, changes_keys);
}

}  // namespace kferry::proxy
