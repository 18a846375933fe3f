#include "x509/key_match.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace kferry::x509 {
namespace {

using Der = std::span<const std::byte>;

constexpr std::size_t rsa_octets_max = 1024;  // 8192 bits
constexpr std::size_t point_octets_max = 1 + 2 * 66;

template <typename Key, int (*make)(Key*), auto free>
struct Held {
  Key key{};
  Held() { make(&key); }
  ~Held() { free(&key); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  template <typename Decode>
  bool read(Decode decode, Der der) {
    word32 at = 0;
    return decode(reinterpret_cast<const byte*>(der.data()), &at, &key, static_cast<word32>(der.size())) == 0;
  }
};

int make_rsa(RsaKey* key) {
  return wc_InitRsaKey(key, nullptr);
}

// Each: nullopt where the public key is of another kind, or too large to be compared.

std::optional<bool> rsa_keys_match(Der public_key, Der private_key) {
  using Rsa = Held<RsaKey, make_rsa, wc_FreeRsaKey>;
  struct Numbers {
    std::array<byte, rsa_octets_max> e{}, n{};
    word32 e_size = rsa_octets_max, n_size = rsa_octets_max;
    bool take(Rsa& from) {
      return wc_RsaFlattenPublicKey(&from.key, e.data(), &e_size, n.data(), &n_size) == 0;
    }
    bool operator==(const Numbers&) const = default;
  };
  Rsa shown, held;
  Numbers theirs, ours;
  if (!shown.read(wc_RsaPublicKeyDecode, public_key) || !theirs.take(shown)) return std::nullopt;
  return held.read(wc_RsaPrivateKeyDecode, private_key) && ours.take(held) && ours == theirs;
}

std::optional<bool> ec_keys_match(Der public_key, Der private_key) {
  using Ec = Held<ecc_key, wc_ecc_init, wc_ecc_free>;
  struct Point {
    std::array<byte, point_octets_max> octets{};
    word32 size = point_octets_max;
    bool take(Ec& from) { return wc_ecc_export_x963(&from.key, octets.data(), &size) == 0; }
    bool operator==(const Point&) const = default;
  };
  Ec shown, held;
  Point theirs, ours;
  if (!shown.read(wc_EccPublicKeyDecode, public_key) || !theirs.take(shown)) return std::nullopt;
  // The point that may stand beside the private key proves nothing.
  return held.read(wc_EccPrivateKeyDecode, private_key) && wc_ecc_make_pub(&held.key, nullptr) == 0 &&
         ours.take(held) && ours == theirs;
}

std::optional<bool> ed25519_keys_match(Der public_key, Der private_key) {
  using Ed25519 = Held<ed25519_key, wc_ed25519_init, wc_ed25519_free>;
  Ed25519 shown, held;
  std::array<byte, ED25519_PUB_KEY_SIZE> theirs{}, ours{};
  word32 size = ED25519_PUB_KEY_SIZE;
  if (!shown.read(wc_Ed25519PublicKeyDecode, public_key) ||
      wc_ed25519_export_public(&shown.key, theirs.data(), &size) != 0)
    return std::nullopt;
  return held.read(wc_Ed25519PrivateKeyDecode, private_key) &&
         wc_ed25519_make_public(&held.key, ours.data(), ED25519_PUB_KEY_SIZE) == 0 && ours == theirs;
}

}  // namespace

bool keys_match(Der public_key, Der private_key) {
  for (const auto compare : {rsa_keys_match, ec_keys_match, ed25519_keys_match}) {
    if (const auto match = compare(public_key, private_key)) return *match;
  }
  return true;
}

}  // namespace kferry::x509
