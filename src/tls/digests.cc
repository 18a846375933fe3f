#include "tls/digests.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <string.h>
#include <sys/random.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/pwdbased.h>

#include <cerrno>
#include <limits>

#include "base/assert.h"

namespace kferry::tls {
namespace {

static_assert(WC_SHA512_DIGEST_SIZE == digest_size_max && WC_SHA256_DIGEST_SIZE <= digest_size_max);

// wolfCrypt refuses a null pointer, even for 0 bytes.
const byte* in(std::span<const std::byte> bytes) {
  static constexpr byte nothing{};
  return bytes.empty() ? &nothing : reinterpret_cast<const byte*>(bytes.data());
}

byte* out(std::span<std::byte> bytes) {
  return reinterpret_cast<byte*>(bytes.data());
}

word32 size32(std::size_t size) {
  KFERRY_ASSERT(size <= std::numeric_limits<word32>::max());
  return static_cast<word32>(size);
}

int size_int(std::size_t size) {
  KFERRY_ASSERT(size <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(size);
}

int hmac_type(Hash hash) {
  if (hash == Hash::sha256) return WC_SHA256;  // two enumerations, so no conditional expression
  return WC_SHA512;
}

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

}  // namespace

Digest::~Digest() {
  wipe(bytes_);
}

Digest digest(Hash hash, std::span<const std::byte> message) {
  Digest result(hash);
  const auto type = hash == Hash::sha256 ? WC_HASH_TYPE_SHA256 : WC_HASH_TYPE_SHA512;
  KFERRY_ASSERT(wc_Hash(type, in(message), size32(message.size()), out(result.bytes()),
                        size32(result.bytes().size())) == 0);
  return result;
}

Digest hmac(Hash hash, std::span<const std::byte> key, std::span<const std::byte> message) {
  Digest result(hash);
  Hmac state;
  KFERRY_ASSERT(wc_HmacInit(&state, nullptr, INVALID_DEVID) == 0);
  KFERRY_ASSERT(wc_HmacSetKey(&state, hmac_type(hash), in(key), size32(key.size())) == 0);
  KFERRY_ASSERT(wc_HmacUpdate(&state, in(message), size32(message.size())) == 0);
  KFERRY_ASSERT(wc_HmacFinal(&state, out(result.bytes())) == 0);
  wc_HmacFree(&state);
  return result;
}

Digest pbkdf2(Hash hash, std::span<const std::byte> password, std::span<const std::byte> salt,
              std::uint32_t iterations) {
  KFERRY_ASSERT(iterations >= 1);
  Digest result(hash);
  KFERRY_ASSERT(wc_PBKDF2(out(result.bytes()), in(password), size_int(password.size()), in(salt),
                          size_int(salt.size()), size_int(iterations), size_int(result.bytes().size()),
                          hmac_type(hash)) == 0);
  return result;
}

void random_bytes(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t given = ::getrandom(bytes.data(), bytes.size(), 0);
    if (given < 0 && errno == EINTR) continue;
    KFERRY_ASSERT(given > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(given));
  }
}

std::string base64(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // wolfCrypt writes a final zero
  word32 size = size32(text.size());
  KFERRY_ASSERT(
      Base64_Encode_NoNl(in(bytes), size32(bytes.size()), reinterpret_cast<byte*>(text.data()), &size) == 0);
  text.resize((bytes.size() + 2) / 3 * 4);
  return text;
}

std::optional<std::vector<std::byte>> parse_base64(std::string_view text) {
  if (text.empty()) return std::vector<std::byte>{};
  if (text.size() % 4 != 0) return std::nullopt;
  // Checks the form here, because wolfCrypt skips line ends and ignores what follows the padding.
  std::size_t digits = text.size();
  while (digits > text.size() - 2 && text[digits - 1] == '=') --digits;
  for (const char c : text.substr(0, digits)) {
    if (!is_base64(c)) return std::nullopt;
  }
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  word32 size = size32(bytes.size());
  if (Base64_Decode(reinterpret_cast<const byte*>(text.data()), size32(text.size()), out(bytes), &size) !=
      0) {
    return std::nullopt;
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace kferry::tls
