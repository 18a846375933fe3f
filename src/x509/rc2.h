// RC2 in CBC mode (RFC 2268), which OpenSSL 3 has in a separate module and wolfCrypt has not given up: older OpenSSLs
// and JDKs wrote PKCS12 with it. Never does I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/secret.h"

namespace kferry::x509 {

// Decrypts and removes the padding of PKCS#7. The effective key length is that of `key`; `iv` has 8 bytes. nullopt: the
// padding is wrong, so the key probably is too.
std::optional<Secret> decrypt_rc2_cbc(std::span<const std::byte> key, std::span<const std::byte> iv,
                                      std::span<const std::byte> sealed);

}  // namespace kferry::x509
