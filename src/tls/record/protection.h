// One direction's record protection: content to records and back, from its traffic key alone, as the kernel does it
// (RFC 8446 §5.2 for TLS 1.3; RFC 5288 and RFC 7905 for AES-GCM and ChaCha20-Poly1305 in TLS 1.2). Bytes to bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tls/record/aead.h"
#include "tls/record/gather.h"
#include "tls/record/traffic_key.h"

namespace kferry::tls {

// RFC 8446 §5.1: the largest content of a record.
inline constexpr std::size_t record_plain_max = 16 * 1024;
inline constexpr std::size_t record_header_size = 5;

// What follows a header in its record, by the header's own word.
inline std::size_t record_body_size(std::span<const std::byte, record_header_size> header) {
  return std::to_integer<std::size_t>(header[3]) << 8 | std::to_integer<std::size_t>(header[4]);
}

enum class RecordType : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, data = 23 };

class RecordProtection {
 public:
  explicit RecordProtection(const TrafficKey& key) : key_(key), aead_(key) {}
  RecordProtection(const RecordProtection&) = delete;
  RecordProtection& operator=(const RecordProtection&) = delete;

  // By how much a record is larger than its content.
  std::size_t overhead() const;
  // The first `size` bytes of `content`, at most record_plain_max, as the next record into `room`, of at least its size
  // and overhead(). Returns the record's size. The two must not overlap.
  std::size_t seal(RecordType type, Gather& content, std::size_t size, std::span<std::byte> room);
  std::size_t seal(RecordType type, std::span<const std::byte> content, std::span<std::byte> room) {
    Gather all(content);
    return seal(type, all, content.size(), room);
  }

  // The size of the record that begins with this header; 0: no record of this protection is so large or so small.
  std::size_t record_size(std::span<const std::byte, record_header_size> header) const;

  struct Opened {
    RecordType type;  // of the content; 0 where a record of TLS 1.3 has none
    std::size_t size;
  };
  // The next record, the first `size` bytes of `cipher`, its record_size(), into `room`, of at least the record's size
  // less overhead(), and one more. nullopt: it does not verify; the room's bytes mean nothing.
  std::optional<Opened> open(Gather& cipher, std::size_t size, std::span<std::byte> room);
  std::optional<Opened> open(std::span<const std::byte> record, std::span<std::byte> room) {
    Gather all(record);
    return open(all, record.size(), room);
  }
  // Where its content stands when it is opened in place: in the record itself, from this offset on.
  std::size_t content_offset() const;

  // As it stands: its rec_seq is the next record's number.
  const TrafficKey& key() const { return key_; }

 private:
  bool explicit_nonce() const;
  Aead::Nonce implicit_nonce() const;

  TrafficKey key_;
  Aead aead_;
};

}  // namespace kferry::tls
