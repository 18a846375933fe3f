// Reads the relevant parts of one DER certificate: names, validity, key. Uses libcrypto; never does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/secret.h"

namespace kferry::x509 {

// One attribute of a distinguished name (X.501).
struct Attribute {
  std::string type;   // dotted
  std::string value;  // UTF-8; empty if it is not text
  Bytes der;          // the value with its tag and length
};
// The RDNs in the order of the certificate, the least specific first.
using Name = std::vector<std::vector<Attribute>>;

struct CertificateNames {
  std::string subject;                 // RFC 2253, the form of Java and of Kafka's principals
  std::string common_name;             // the most specific one; empty if there is none
  std::vector<std::string> dns_names;  // subjectAltName
  std::vector<Bytes> addresses;        // subjectAltName, 4 or 16 bytes each
};

struct Certificate {
  CertificateNames names;
  std::string issuer;             // RFC 2253
  std::int64_t not_before_s = 0;  // Unix time
  std::int64_t not_after_s = 0;
  bool is_authority = false;   // may sign certificates, by basicConstraints and key usage
  std::string key_type;        // "RSA", "RSA-PSS", "EC P-256", "Ed25519", …
  int key_bits = 0;            // 0 if the key cannot be decoded
  std::string signature_hash;  // "SHA256"; empty if the signature algorithm implies it, like Ed25519
  Bytes public_key;            // SubjectPublicKeyInfo, DER
  Bytes der;
};

// Fails if the certificate cannot be parsed. Checks neither validity nor signatures.
std::expected<Certificate, Failure> read_certificate(std::span<const std::byte> der);

// Why the certificate is not valid at `now_s`, in one line; empty if it is.
std::string validity_problem(const Certificate& certificate, std::int64_t now_s);

// Whether the certificate names this host, which is a name or an address literal (RFC 6125, and RFC 2818 like Java's
// HTTPS rule). The common name counts only if there is no DNS name, and never for an address. A `*` matches the whole
// leftmost label, if at least two labels follow.
bool names_host(const Certificate& certificate, std::string_view host);

// "2026-11-25 20:55 UTC"
std::string date_text(std::int64_t time_s);

}  // namespace kferry::x509
