// Whether a private key is the one of a certificate, by libcrypto. Never does I/O.
#pragma once

#include <cstddef>
#include <span>

namespace kferry::x509 {

// `public_key`: SubjectPublicKeyInfo; `private_key`: PKCS#8, PKCS#1 or SEC 1; both DER. False also where one of them
// cannot be parsed.
bool keys_match(std::span<const std::byte> public_key, std::span<const std::byte> private_key);

}  // namespace kferry::x509
