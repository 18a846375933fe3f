// The AEAD of one traffic key, on wolfCrypt: RFC 5116's seal and open, over content that may stand in pieces, which are
// then ciphered where they stand instead of being put together first. Bytes to bytes; one thread.
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

  // Takes the cipher and the key. The key is wiped when this goes.
  explicit Aead(const TrafficKey& key);
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;
  ~Aead();

  // The first `size` bytes of `content`, then `last`, and the tag into `room`, which is of just that size. What is in
  // pieces must not overlap the room.
  void seal(const Nonce& nonce, std::span<const std::byte> additional, Gather& content, std::size_t size,
            std::span<const std::byte> last, std::span<std::byte> room);
  // As many bytes of `cipher` as `content` has, and the tag after them. False: they do not verify, and those of
  // `content` mean nothing. Bytes that stand in one run may be opened in place.
  bool open(const Nonce& nonce, std::span<const std::byte> additional, Gather& cipher,
            std::span<std::byte> content);

 private:
  struct Gcm;
  struct ChaCha;

  std::unique_ptr<Gcm> gcm_;  // one of the two
  std::unique_ptr<ChaCha> chacha_;
};

}  // namespace kferry::tls
