// The AEAD of one traffic key, on wolfCrypt: RFC 5116's seal and open over content that may be in several pieces. They
// are ciphered in place instead of being copied together first. Bytes to bytes; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "tls/record/gather.h"
#include "tls/record/traffic_key.h"

namespace kferry::tls {

class Aead {
 public:
  static constexpr std::size_t tag_size = 16;
  using Nonce = std::array<std::byte, 12>;

  // Uses the key's cipher and key. The copy of the key is wiped by the destructor.
  explicit Aead(const TrafficKey& key);
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;
  ~Aead();

  // Encrypts the first `size` bytes of `content`, then `last`, into `room`, and appends the tag. `room` has exactly
  // that size and does not overlap the pieces.
  void seal(const Nonce& nonce, std::span<const std::byte> additional, Gather& content, std::size_t size,
            std::span<const std::byte> last, std::span<std::byte> room);
  // Decrypts as many bytes of `cipher` as `content` has, and checks the tag that follows them. False: they do not
  // verify, and `content` is garbage. Contiguous input may be decrypted in place.
  bool open(const Nonce& nonce, std::span<const std::byte> additional, Gather& cipher,
            std::span<std::byte> content);

 private:
  struct Gcm;
  struct ChaCha;

  std::unique_ptr<Gcm> gcm_;  // exactly one of the two is set
  std::unique_ptr<ChaCha> chacha_;
};

}  // namespace kferry::tls
