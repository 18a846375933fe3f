// Whether a private key belongs to a certificate. Uses libcrypto; never does I/O.
#pragma once

#include <cstddef>
#include <span>

namespace kferry::x509 {

// `public_key` is a SubjectPublicKeyInfo, `private_key` PKCS#8, PKCS#1 or SEC 1; both are DER. Also false if one of
// them cannot be parsed.
bool keys_match(std::span<const std::byte> public_key, std::span<const std::byte> private_key);

}  // namespace kferry::x509
