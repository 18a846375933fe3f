// The secret that one direction's keys come from in TLS 1.3 (RFC 8446 §7.2, §7.3): with it a KeyUpdate can be followed
// without wolfSSL's state. Plain bytes, overwritten when they go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/secret.h"
#include "tls/record/traffic_key.h"

namespace kferry::tls {

class TrafficSecret {
 public:
  // There is none: TLS 1.2, or a wolfSSL that tells nobody.
  TrafficSecret() = default;
  // 32 bytes where the connection's hash is SHA-256, 48 where it is SHA-384.
  explicit TrafficSecret(std::span<const std::byte> secret);
  TrafficSecret(const TrafficSecret&) = default;
  TrafficSecret& operator=(const TrafficSecret&) = default;
  ~TrafficSecret() { wipe(bytes_); }

  bool empty() const { return size_ == 0; }
  // The next one: application_traffic_secret_N+1. Not when empty.
  void advance();
  // This secret's key, for its first record. Not when empty.
  TrafficKey key(RecordCipher cipher) const;

 private:
  // HKDF-Expand-Label(secret, label, "", size).
  void expand(const char* label, std::span<std::byte> into) const;

  std::array<std::byte, 48> bytes_{};
  std::uint8_t size_ = 0;
};

struct TrafficSecrets {
  TrafficSecret send;
  TrafficSecret receive;
};

}  // namespace kferry::tls
