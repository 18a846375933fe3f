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

std::span<const std::byte> octets_of(const iovec& piece) {
  return {static_cast<const std::byte*>(piece.iov_base), piece.iov_len};
}

}  // namespace

void TlsStream::receive(std::span<const ring::Piece> pieces, ring::Ring& ring, net::Rope& to) {
  for (const ring::Piece& piece : pieces) {
    std::span<const std::byte> cipher = piece.bytes;
    heard_ = heard_ || !cipher.empty();
    // A failed engine takes nothing more; one whose answers nobody reads takes nothing now, and what it leaves
    // is lost: whoever makes it answer so much is no Kafka peer.
    while (!cipher.empty() || engine_->has_plain()) {
      const auto room = to.room(std::max(cipher.size(), tls::record_plain_max));
      const auto moved = engine_->feed(cipher, room);
      to.fill_room(moved.made);
      data_came_ = data_came_ || moved.made > 0;
      cipher = cipher.subspan(moved.taken);
      if (moved.taken == 0 && moved.made == 0) break;
    }
    ring.recycle(piece.id);
  }
}

std::span<const std::byte> TlsStream::to_send(net::Rope* from) {
  if (cipher_ == nullptr) {
    const std::span<const std::byte> own = engine_->to_send();
    const bool more = from != nullptr && !closed_ && from->ready_size() > 0;
    if (own.empty() && !more) return {};
    const std::size_t plain = more ? std::min(from->ready_size(), encrypted_size_max) : 0;
    const std::size_t records = plain / tls::record_plain_max + 2 * pieces_max + 2;
    const std::size_t room = own.size() + (more ? plain + records * tls::record_overhead_max : 0);
    cipher_ = std::make_unique_for_overwrite<std::byte[]>(room);
    std::ranges::copy(own, cipher_.get());
    cipher_size_ = own.size();
    engine_->sent(own.size());
    if (more) encrypt(*from, {cipher_.get() + cipher_size_, room - cipher_size_});
  }
  return {cipher_.get() + cipher_at_, cipher_size_ - cipher_at_};
}

// Small runs are put together into one record, large ones are encrypted where they stand.
void TlsStream::encrypt(net::Rope& from, std::span<std::byte> room) {
  std::array<iovec, pieces_max> pieces;
  const std::size_t count = from.gather(pieces);
  const std::size_t size = std::min(from.ready_size(), encrypted_size_max);
  std::size_t at = 0;
  std::size_t taken = 0;
  const auto write = [&](std::span<const std::byte> plain) {
    const auto moved = engine_->write(plain, room.subspan(at));
    at += moved.made;
    taken += moved.taken;
    return moved.taken == plain.size();
  };
  std::array<std::byte, tls::record_plain_max> together;
  std::size_t gathered = 0;
  bool goes_on = true;
  for (std::size_t i = 0; i < count && goes_on; ++i) {
    std::span<const std::byte> piece = octets_of(pieces[i]);
    piece = piece.first(std::min(piece.size(), size - std::min(size, taken + gathered)));
    if (gathered + piece.size() <= together.size()) {
      std::ranges::copy(piece, together.begin() + static_cast<std::ptrdiff_t>(gathered));
      gathered += piece.size();
      continue;
    }
    if (gathered > 0) goes_on = write(std::span(together).first(std::exchange(gathered, 0)));
    if (goes_on) goes_on = write(piece);
  }
  if (goes_on && gathered > 0) write(std::span(together).first(gathered));
  cipher_size_ += at;
  from.sent(taken);
}

void TlsStream::sent(std::size_t size) {
  cipher_at_ += size;
  if (cipher_at_ < cipher_size_) return;
  cipher_.reset();
  cipher_at_ = cipher_size_ = 0;
}

void TlsStream::close() {
  if (std::exchange(closed_, true)) return;
  if (!kernel_sends_) engine_->close();
}

void TlsStream::handed_over(bool sending) {
  (sending ? kernel_sends_ : kernel_receives_) = true;
  if (kernel_sends_ && kernel_receives_) engine_.reset();
}

}  // namespace kferry::proxy
