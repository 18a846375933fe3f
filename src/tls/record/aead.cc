#include "tls/record/aead.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include <algorithm>

#include "base/assert.h"

#ifndef WOLFSSL_AESGCM_STREAM
#error "this wolfSSL lacks --enable-aesgcm-stream: have ./dev build make one"
#endif

namespace kferry::tls {
namespace {

// Smaller content is copied together and ciphered with one call, which is cheaper: working piece by piece costs 0.1 µs
// per record.
constexpr std::size_t copied_max = 2048;

const unsigned char* in(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

word32 size_of(std::span<const std::byte> bytes) {
  return static_cast<word32>(bytes.size());
}

}  // namespace

// Both ciphers have begin() for a record, update() for its pieces, then seal_end() or open_end(). All return 0 or
// wolfCrypt's error.
struct Aead::Gcm {
  explicit Gcm(const TrafficKey& key) {
    KFERRY_ASSERT(wc_AesInit(&aes, nullptr, INVALID_DEVID) == 0);
    KFERRY_ASSERT(wc_AesGcmSetKey(&aes, in(key.key), static_cast<word32>(key.key_size())) == 0);
  }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  ~Gcm() {
    wc_AesFree(&aes);
    wipe(std::as_writable_bytes(std::span(&aes, 1)));
  }

  int begin(const Nonce& nonce, std::span<const std::byte> additional, bool sealing_next) {
    sealing = sealing_next;
    const int result = wc_AesGcmInit(&aes, nullptr, 0, in(nonce), static_cast<word32>(nonce.size()));
    return result != 0 ? result : step({}, {}, additional);
  }
  int update(std::span<const std::byte> from, std::span<std::byte> to) { return step(from, to, {}); }
  int seal_end(std::span<std::byte> tag) { return wc_AesGcmEncryptFinal(&aes, out(tag), tag_size); }
  int open_end(std::span<const std::byte> tag) { return wc_AesGcmDecryptFinal(&aes, in(tag), tag_size); }

  int step(std::span<const std::byte> from, std::span<std::byte> to, std::span<const std::byte> more) {
    return (sealing ? wc_AesGcmEncryptUpdate : wc_AesGcmDecryptUpdate)(&aes, out(to), in(from), size_of(from),
                                                                       in(more), size_of(more));
  }

  Aes aes;
  bool sealing = false;
};

struct Aead::ChaCha {
  explicit ChaCha(const TrafficKey& traffic) : key(traffic.key) {}
  ChaCha(const ChaCha&) = delete;
  ChaCha& operator=(const ChaCha&) = delete;
  ~ChaCha() {
    wipe(key);
    wipe(std::as_writable_bytes(std::span(&state, 1)));
  }

  int begin(const Nonce& nonce, std::span<const std::byte> additional, bool sealing) {
    const int result =
        wc_ChaCha20Poly1305_Init(&state, in(key), in(nonce),
                                 sealing ? CHACHA20_POLY1305_AEAD_ENCRYPT : CHACHA20_POLY1305_AEAD_DECRYPT);
    return result != 0 ? result : wc_ChaCha20Poly1305_UpdateAad(&state, in(additional), size_of(additional));
  }
  int update(std::span<const std::byte> from, std::span<std::byte> to) {
    return wc_ChaCha20Poly1305_UpdateData(&state, in(from), out(to), size_of(from));
  }
  int seal_end(std::span<std::byte> tag) { return wc_ChaCha20Poly1305_Final(&state, out(tag)); }
  int open_end(std::span<const std::byte> tag) {
    std::array<std::byte, tag_size> made;
    const int result = wc_ChaCha20Poly1305_Final(&state, out(made));
    return result != 0 ? result : wc_ChaCha20Poly1305_CheckTag(in(made), in(tag));
  }

  std::array<std::byte, 32> key;
  ChaChaPoly_Aead state{};
};

namespace {

template <typename Cipher>
int seal_with(Cipher& cipher, const Aead::Nonce& nonce, std::span<const std::byte> additional,
              Gather& content, std::size_t size, std::span<const std::byte> last, std::span<std::byte> room) {
  int result = cipher.begin(nonce, additional, true);
  const auto seal = [&](std::span<const std::byte> run) {
    if (result == 0) result = cipher.update(run, room.first(run.size()));
    room = room.subspan(run.size());
  };
  content.take_runs(size, seal);
  if (!last.empty()) seal(last);
  return result != 0 ? result : cipher.seal_end(room);
}

template <typename Cipher>
int open_with(Cipher& cipher, const Aead::Nonce& nonce, std::span<const std::byte> additional, Gather& from,
              std::span<std::byte> content) {
  int result = cipher.begin(nonce, additional, false);
  from.take_runs(content.size(), [&](std::span<const std::byte> run) {
    if (result == 0) result = cipher.update(run, content.first(run.size()));
    content = content.subspan(run.size());
  });
  std::array<std::byte, Aead::tag_size> tag;
  from.take(tag);
  return result != 0 ? result : cipher.open_end(tag);
}

}  // namespace

Aead::Aead(const TrafficKey& key) {
  if (key.cipher == RecordCipher::chacha20_poly1305) {
    chacha_ = std::make_unique<ChaCha>(key);
  } else {
    gcm_ = std::make_unique<Gcm>(key);
  }
}

Aead::~Aead() = default;

void Aead::seal(const Nonce& nonce, std::span<const std::byte> additional, Gather& content, std::size_t size,
                std::span<const std::byte> last, std::span<std::byte> room) {
  KFERRY_ASSERT(room.size() == size + last.size() + tag_size);
  int result = 0;
  if (chacha_ != nullptr) {
    result = seal_with(*chacha_, nonce, additional, content, size, last, room);
  } else if (size > copied_max) {
    result = seal_with(*gcm_, nonce, additional, content, size, last, room);
  } else {
    const auto plain = room.first(size + last.size());
    content.take(plain.first(size));
    std::ranges::copy(last, plain.last(last.size()).begin());
    result = wc_AesGcmEncrypt(&gcm_->aes, out(plain), in(plain), size_of(plain), in(nonce),
                              static_cast<word32>(nonce.size()), out(room.last(tag_size)), tag_size,
                              in(additional), size_of(additional));
  }
  KFERRY_ASSERT(result == 0);
}

bool Aead::open(const Nonce& nonce, std::span<const std::byte> additional, Gather& cipher,
                std::span<std::byte> content) {
  if (chacha_ != nullptr) return open_with(*chacha_, nonce, additional, cipher, content) == 0;
  const auto run = cipher.front();
  if (run.size() < content.size() + tag_size)
    return open_with(*gcm_, nonce, additional, cipher, content) == 0;
  cipher.skip(content.size() + tag_size);
  return wc_AesGcmDecrypt(&gcm_->aes, out(content), in(run), size_of(content), in(nonce),
                          static_cast<word32>(nonce.size()), in(run.subspan(content.size(), tag_size)),
                          tag_size, in(additional), size_of(additional)) == 0;
}

}  // namespace kferry::tls
