// One direction's traffic key after a handshake, in the fields of kernel TLS (linux/tls.h, struct tls12_crypto_info_*).
// Plain data; its destructor wipes it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/secret.h"
#include "tls/record/version.h"

namespace kferry::tls {

enum class RecordCipher : std::uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };

// How many records one key may protect: RFC 8446 §5.5 allows AES-GCM 2^24.5 full ones.
inline constexpr std::uint64_t records_per_key_max = std::uint64_t{1} << 24U;

// Increments a big-endian record number.
inline void count_up(std::span<std::byte> number) {
  for (std::size_t i = number.size(); i-- > 0;) {
    number[i] = static_cast<std::byte>(std::to_integer<unsigned>(number[i]) + 1);
    if (number[i] != std::byte{}) return;
  }
}

struct TrafficKey {
  Version version = Version::tls_1_3;
  RecordCipher cipher = RecordCipher::aes_128_gcm;
  std::array<std::byte, 4> salt{};     // AES-GCM: the fixed part of the nonce; unused by ChaCha20
  std::array<std::byte, 12> iv{};      // AES-GCM: the first 8; ChaCha20: all 12
  std::array<std::byte, 32> key{};     // AES-128: the first 16
  std::array<std::byte, 8> rec_seq{};  // big endian: the number of the next record

  std::size_t key_size() const { return cipher == RecordCipher::aes_128_gcm ? 16 : 32; }
  // Sets the static IV of TLS 1.3, or of ChaCha20 in both versions, in the layout above.
  void set_iv(std::span<const std::byte, 12> bytes) {
    const bool chacha = cipher == RecordCipher::chacha20_poly1305;
    if (!chacha) std::copy_n(bytes.begin(), 4, salt.begin());
    std::ranges::copy(chacha ? bytes : bytes.subspan(4), iv.begin());
  }

  TrafficKey() = default;
  TrafficKey(const TrafficKey&) = default;
  TrafficKey& operator=(const TrafficKey&) = default;
  ~TrafficKey() {
    wipe(key);
    wipe(iv);
    wipe(salt);
  }
};

struct TrafficKeys {
  TrafficKey send;
  TrafficKey receive;
};

}  // namespace kferry::tls
