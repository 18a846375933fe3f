// Digests, keyed digests, key derivation, randomness and base64 by wolfCrypt, for SCRAM and tokens of
// kferry's own. Pure functions on bytes; any thread. An allocation or entropy failure of the library ends the
// process: none of them can fail on valid arguments.
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

// A digest of the hash's size, zeroed when it goes: it may be a key.
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
// RFC 2104. The key may be of any length, empty too.
Digest hmac(Hash hash, std::span<const std::byte> key, std::span<const std::byte> message);
// RFC 8018, PBKDF2 with HMAC, one block of the hash's size (Hi() of RFC 5802). `iterations` is at least 1.
Digest pbkdf2(Hash hash, std::span<const std::byte> password, std::span<const std::byte> salt,
              std::uint32_t iterations);

// Fills `out` from the kernel's generator, getrandom(2); ends the process where there is none.
void random_bytes(std::span<std::byte> out);

// RFC 4648 §4 with padding, no line breaks.
std::string base64(std::span<const std::byte> bytes);
// Strict: padding required, no white space or other characters. nullopt when malformed.
std::optional<std::vector<std::byte>> parse_base64(std::string_view text);

}  // namespace kferry::tls
