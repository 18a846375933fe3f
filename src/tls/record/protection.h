// One direction's record protection: turns content into records and back, given only the traffic key, as the kernel
// does (RFC 8446 §5.2 for TLS 1.3; RFC 5288 and RFC 7905 for AES-GCM and ChaCha20-Poly1305 in TLS 1.2). Bytes to bytes.
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

// The size of the rest of the record, as the header states it.
inline std::size_t record_body_size(std::span<const std::byte, record_header_size> header) {
  return std::to_integer<std::size_t>(header[3]) << 8 | std::to_integer<std::size_t>(header[4]);
}

enum class RecordType : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, data = 23 };

class RecordProtection {
 public:
  explicit RecordProtection(const TrafficKey& key) : key_(key), aead_(key) {}
  RecordProtection(const RecordProtection&) = delete;
  RecordProtection& operator=(const RecordProtection&) = delete;

  // How much larger a record is than its content.
  std::size_t overhead() const;
  // Writes the first `size` bytes of `content`, at most record_plain_max, into `room` as the next record. `room` has at
  // least size + overhead() bytes and does not overlap the content. Returns the record's size.
  std::size_t seal(RecordType type, Gather& content, std::size_t size, std::span<std::byte> room);
  std::size_t seal(RecordType type, std::span<const std::byte> content, std::span<std::byte> room) {
    Gather all(content);
    return seal(type, all, content.size(), room);
  }

  // The size of the record that begins with this header; 0 if no record of this protection can have that size.
  std::size_t record_size(std::span<const std::byte, record_header_size> header) const;

  struct Opened {
    RecordType type;  // of the content; 0 if a TLS 1.3 record lacks one
    std::size_t size;
  };
  // Decrypts the next record, which is the first `size` bytes of `cipher`, as record_size() said, into `room`, which
  // has at least size - overhead() + 1 bytes. nullopt: the record does not verify, and `room` is garbage.
  std::optional<Opened> open(Gather& cipher, std::size_t size, std::span<std::byte> room);
  std::optional<Opened> open(std::span<const std::byte> record, std::span<std::byte> room) {
    Gather all(record);
    return open(all, record.size(), room);
  }
  // The offset of a record's content within the record, for opening it in place.
  std::size_t content_offset() const;

  // Its rec_seq is the number of the next record.
  const TrafficKey& key() const { return key_; }

 private:
  bool explicit_nonce() const;
  Aead::Nonce implicit_nonce() const;

  TrafficKey key_;
  Aead aead_;
};

}  // namespace kferry::tls
