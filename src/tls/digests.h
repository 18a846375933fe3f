// Digests, keyed digests, key derivation, random bytes and base64 by wolfCrypt, for SCRAM and for kferry's own tokens.
// Pure functions on bytes; any thread. They cannot fail on valid arguments: if wolfCrypt has no memory or entropy, the
// process ends.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace kferry::tls {

enum class Hash : std::uint8_t { sha256, sha512 };

// The longest digest of any Hash.
inline constexpr std::size_t digest_size_max = 64;
constexpr std::size_t digest_size(Hash hash) {
  return hash == Hash::sha256 ? 32 : 64;
}

// A digest of the hash's size. It may be a key, so the destructor zeroes it.
class Digest {
 public:
  explicit Digest(Hash hash) : size_(digest_size(hash)) {}
  Digest(const Digest&) = default;
  Digest& operator=(const Digest&) = default;
  ~Digest();

  std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }
  std::span<std::byte> bytes() { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, digest_size_max> bytes_{};
  std::size_t size_;
};

Digest digest(Hash hash, std::span<const std::byte> message);
// RFC 2104. The key may have any length, even 0.
Digest hmac(Hash hash, std::span<const std::byte> key, std::span<const std::byte> message);
// RFC 8018: PBKDF2 with HMAC, one block of the hash's size (Hi() of RFC 5802). `iterations` is at least 1.
Digest pbkdf2(Hash hash, std::span<const std::byte> password, std::span<const std::byte> salt,
              std::uint32_t iterations);

// Fills `out` with getrandom(2), and ends the process if that is unavailable.
void random_bytes(std::span<std::byte> out);

// RFC 4648 §4 with padding, no line breaks.
std::string base64(std::span<const std::byte> bytes);
// Strict: padding is required, white space and other characters are not allowed. nullopt if malformed.
std::optional<std::vector<std::byte>> parse_base64(std::string_view text);

}  // namespace kferry::tls
