// Whether a private key is the one of a certificate. wolfSSL answers that only in some of its builds, so it is
// worked out here: the public key that the private one gives, against the certificate's. Never does I/O.
#pragma once

#include <cstddef>
#include <span>

namespace kferry::x509 {

// `public_key`: SubjectPublicKeyInfo; `private_key`: PKCS#8, PKCS#1 or SEC 1; both DER. True also where the kind of
// the public key is none of RSA, EC and Ed25519: that is for others to refuse.
bool keys_match(std::span<const std::byte> public_key, std::span<const std::byte> private_key);

}  // namespace kferry::x509
