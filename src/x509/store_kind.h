// Recognizes the kind of a file with certificates or keys by its content. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kferry::x509 {

enum class StoreKind : std::uint8_t {
  pem,
  pkcs12,
  jks,
  certificate,  // DER, and so are the next five
  revocations,  // a CRL
  pkcs7,
  key,            // unencrypted
  encrypted_key,  // PKCS#8
  bcfks,          // BouncyCastle's store for FIPS
  jceks,
  bks,     // BouncyCastle's
  utf16,   // PEM redirected by a Windows shell
  base64,  // of PEM or DER, without BEGIN and END lines
  unknown,
};

StoreKind recognise(std::span<const std::byte> file);

// Completes "FILE: " for an unsupported kind, with the remedy.
std::string_view unreadable_kind(StoreKind kind);

}  // namespace kferry::x509
