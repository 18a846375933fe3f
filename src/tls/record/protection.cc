#include "tls/record/protection.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace kferry::tls {
namespace {

constexpr std::size_t explicit_nonce_size = 8;
// RFC 8446 §5.2: the type of the content, and at most this much padding.
constexpr std::size_t inner_extra_max = 256;
constexpr std::byte version_major{3};
constexpr std::byte version_minor{3};

void put_size(std::span<std::byte> to, std::size_t size) {
  to[0] = static_cast<std::byte>(size >> 8);
  to[1] = static_cast<std::byte>(size);
}

// The additional authenticated data: the record's header. In TLS 1.2 it follows the record's number and states the size
// of the content.
struct Additional {
  std::array<std::byte, 13> bytes{};
  std::size_t size = 0;

  Additional(const TrafficKey& key, std::span<const std::byte> header, std::size_t content_size) {
    if (key.version == Version::tls_1_2) {
      std::ranges::copy(key.rec_seq, bytes.begin());
      size = key.rec_seq.size();
    }
    std::ranges::copy(header.first(record_header_size), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    size += record_header_size;
    if (key.version == Version::tls_1_2) put_size(std::span(bytes).last(2), content_size);
  }
  std::span<const std::byte> span() const { return std::span(bytes).first(size); }
};

}  // namespace

bool RecordProtection::explicit_nonce() const {
  return key_.version == Version::tls_1_2 && key_.cipher != RecordCipher::chacha20_poly1305;
}

std::size_t RecordProtection::content_offset() const {
  return record_header_size + (explicit_nonce() ? explicit_nonce_size : 0);
}

std::size_t RecordProtection::overhead() const {
  return content_offset() + (key_.version == Version::tls_1_3 ? 1 : 0) + Aead::tag_size;
}

// RFC 8446 §5.3: the static IV combined with the record's number. RFC 5288 §3 has an explicit part instead.
Aead::Nonce RecordProtection::implicit_nonce() const {
  Aead::Nonce nonce{};
  if (key_.cipher == RecordCipher::chacha20_poly1305) {
    nonce = key_.iv;
  } else {
    std::ranges::copy(key_.salt, nonce.begin());
    std::copy_n(key_.iv.begin(), 8, nonce.begin() + 4);
  }
  if (!explicit_nonce()) {
    for (std::size_t i = 0; i < key_.rec_seq.size(); ++i) nonce[4 + i] ^= key_.rec_seq[i];
  }
  return nonce;
}

std::size_t RecordProtection::seal(RecordType type, Gather& content, std::size_t content_size,
                                   std::span<std::byte> room) {
  KFERRY_ASSERT(content_size <= record_plain_max && room.size() >= content_size + overhead());
  const bool tls_1_3 = key_.version == Version::tls_1_3;
  const std::size_t record_size = content_size + overhead();
  room[0] = static_cast<std::byte>(tls_1_3 ? RecordType::data : type);
  room[1] = version_major;
  room[2] = version_minor;
  put_size(room.subspan(3), record_size - record_header_size);
  const Additional additional(key_, room, content_size);
  const Aead::Nonce nonce = implicit_nonce();
  if (explicit_nonce()) {
    std::copy_n(nonce.begin() + 4, explicit_nonce_size, room.begin() + record_header_size);
    count_up(std::span(key_.iv).first(explicit_nonce_size));
  }
  const std::byte inner_type = static_cast<std::byte>(type);
  aead_.seal(nonce, additional.span(), content, content_size, std::span(&inner_type, tls_1_3 ? 1 : 0),
             room.subspan(content_offset(), record_size - content_offset()));
  count_up(key_.rec_seq);
  return record_size;
}

std::size_t RecordProtection::record_size(std::span<const std::byte, record_header_size> header) const {
  const std::size_t size = record_body_size(header);
  const std::size_t least = overhead() - record_header_size;
  const std::size_t most =
      key_.version == Version::tls_1_3 ? record_plain_max + inner_extra_max : record_plain_max + least;
  return size < least || size > most ? 0 : record_header_size + size;
}

std::optional<RecordProtection::Opened> RecordProtection::open(Gather& cipher, std::size_t size,
                                                               std::span<std::byte> room) {
  const bool tls_1_3 = key_.version == Version::tls_1_3;
  std::array<std::byte, record_header_size> header;
  cipher.take(header);
  Aead::Nonce nonce = implicit_nonce();
  if (explicit_nonce()) cipher.take(std::span(nonce).last(explicit_nonce_size));
  const auto content = room.first(size - content_offset() - Aead::tag_size);
  const Additional additional(key_, header, content.size());
  if (!aead_.open(nonce, additional.span(), cipher, content)) return std::nullopt;
  count_up(key_.rec_seq);
  if (!tls_1_3) return Opened{static_cast<RecordType>(header[0]), content.size()};
  // RFC 8446 §5.4: zeros pad the content, and the last non-zero byte is its type.
  std::size_t end = content.size();
  while (end > 0 && room[end - 1] == std::byte{}) --end;
  if (end == 0) return Opened{RecordType{}, 0};
  return Opened{static_cast<RecordType>(room[end - 1]), end - 1};
}

}  // namespace kferry::tls
