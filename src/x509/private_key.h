// Private keys in every form that operators have them in: PKCS#8, PKCS#1 and SEC 1, each in clear or encrypted. Opened by
// libcrypto. For the sources of this folder. Never does I/O.
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
  encryption_costly,   // `detail` says what is asked for, and the limit
  kind_unknown,        // the key has been decrypted; `detail` names its algorithm, or is empty
  malformed,
};
struct KeyReason {
  KeyTrouble why = KeyTrouble::malformed;
  std::string detail{};
};

// DER, encrypted as PKCS#8 has it or not. The passwords are tried in order.
std::expected<KeyPtr, KeyReason> open_key(std::span<const std::byte> der, std::span<const Password> passwords,
                                          Effort& effort);
// The content of a PEM block with the headers of RFC 1421: "DEK-Info: AES-256-CBC,…".
std::expected<KeyPtr, KeyReason> open_rfc1421_key(std::span<const std::byte> content,
                                                  std::string_view headers,
                                                  std::span<const Password> passwords);

// PKCS#8 in clear, an EC key with its curve's name and an uncompressed point. Empty where libcrypto cannot encode it.
Secret write_key(EVP_PKEY* key);

// Completes "its key is ": why TLS connections cannot be served with it. Empty if they can.
std::string unserved_kind(EVP_PKEY* key);

// Whether the public keys are the same. That of a private key may be what its file says, not what the key gives.
bool same_public_key(EVP_PKEY* shown, EVP_PKEY* own);
// Whether `shown` verifies a signature by `own`.
bool signs_for(EVP_PKEY* shown, EVP_PKEY* own);

// "RSA, EC P-256, …": what unserved_kind() finds nothing against.
extern const std::string_view served_kinds;

}  // namespace kferry::x509
