// The secret that one direction's keys are derived from in TLS 1.3 (RFC 8446 §7.2, §7.3). With it, kferry can follow a
// KeyUpdate without wolfSSL's state. The destructor wipes it.
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
  // Empty: TLS 1.2, or a wolfSSL built without the secret callback.
  TrafficSecret() = default;
  // 32 bytes if the connection's hash is SHA-256, 48 if it is SHA-384.
  explicit TrafficSecret(std::span<const std::byte> secret);
  TrafficSecret(const TrafficSecret&) = default;
  TrafficSecret& operator=(const TrafficSecret&) = default;
  ~TrafficSecret() { wipe(bytes_); }

  bool empty() const { return size_ == 0; }
  // Becomes the next secret, application_traffic_secret_N+1. Must not be empty.
  void advance();
  // The key derived from this secret, for its first record. Must not be empty.
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
