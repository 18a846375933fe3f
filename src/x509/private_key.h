// Opens private keys in every form that operators use: PKCS#8, PKCS#1 and SEC 1, plain or encrypted. Uses libcrypto.
// Only for this folder. Never does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "x509/openssl.h"
#include "x509/pbe.h"

namespace kferry::x509 {

enum class KeyTrouble : std::uint8_t {
  password_missing,
  password_wrong,
  encryption_unknown,  // `detail` names the encryption
  encryption_costly,   // `detail` states the demand and the limit
  kind_unknown,        // the key was decrypted; `detail` names its algorithm, or is empty
  malformed,
};
struct KeyReason {
  KeyTrouble why = KeyTrouble::malformed;
  std::string detail{};
};

// Opens a DER key, plain or encrypted as in PKCS#8. Tries the passwords in order.
std::expected<KeyPtr, KeyReason> open_key(std::span<const std::byte> der, std::span<const Password> passwords,
                                          Effort& effort);
// Opens the content of a PEM block with the headers of RFC 1421: "DEK-Info: AES-256-CBC,…".
std::expected<KeyPtr, KeyReason> open_rfc1421_key(std::span<const std::byte> content,
                                                  std::string_view headers,
                                                  std::span<const Password> passwords);

// Plain PKCS#8. An EC key has the name of its curve and an uncompressed point. Empty if libcrypto cannot encode it.
Secret write_key(EVP_PKEY* key);

// Completes "its key is ", with the reason why it cannot serve TLS connections. Empty if it can.
std::string unserved_kind(EVP_PKEY* key);

// Whether the public keys are equal. The public key of a private key may come from its file instead of the key itself.
bool same_public_key(EVP_PKEY* shown, EVP_PKEY* own);
// Whether `shown` verifies a signature made with `own`.
bool signs_for(EVP_PKEY* shown, EVP_PKEY* own);

// "RSA, EC P-256, …": the kinds that unserved_kind() accepts.
extern const std::string_view served_kinds;

}  // namespace kferry::x509
