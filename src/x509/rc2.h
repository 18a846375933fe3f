// RC2 in CBC mode (RFC 2268), which older versions of OpenSSL and the JDK use in PKCS12. OpenSSL 3 has moved it to a
// separate module, so this uses wolfCrypt. Never does I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/secret.h"

namespace kferry::x509 {

// Decrypts, and removes the padding of PKCS#7. The effective key length is that of `key`; `iv` has 8 bytes. nullopt if
// the padding is wrong, and so probably the key.
std::optional<Secret> decrypt_rc2_cbc(std::span<const std::byte> key, std::span<const std::byte> iv,
                                      std::span<const std::byte> sealed);

}  // namespace kferry::x509
