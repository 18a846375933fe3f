// What identifies a certificate to a person: for the audit trail. Uses libcrypto; never does I/O.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace kferry::x509 {

// Every text is empty where the certificate cannot be parsed, but for the fingerprint.
struct Description {
  std::string subject;  // RFC 2253
  std::string issuer;   // RFC 2253
  std::string serial;   // hexadecimal, lower case, as many digits as its bytes have
  std::string sha256;   // of the whole certificate; hexadecimal, lower case
};

Description describe(std::span<const std::byte> der);

}  // namespace kferry::x509
