// Reads what matters of one DER certificate: names, validity, key. Never does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/secret.h"
#include "x509/failure.h"
#include "x509/host_name.h"

namespace kferry::x509 {

// One attribute of a distinguished name (X.501).
struct Attribute {
  std::string type;   // dotted
  std::string value;  // UTF-8; empty where it is not text
  Octets der;         // the value with its tag and length
};
// The RDNs in the certificate's order, the least specific first.
using Name = std::vector<std::vector<Attribute>>;

struct Certificate {
  CertificateNames names;
  std::string issuer;             // RFC 2253
  std::int64_t not_before_s = 0;  // Unix time
  std::int64_t not_after_s = 0;
  bool is_authority = false;
  Octets public_key;  // SubjectPublicKeyInfo, DER
};

// A certificate that cannot be parsed is a Failure; validity and signatures are not judged.
std::expected<Certificate, Failure> read_certificate(std::span<const std::byte> der);

// One line that says why the certificate cannot serve at `now_s`; empty if it can.
std::string validity_problem(const Certificate& certificate, std::int64_t now_s);

// "2026-11-25 20:55 UTC"
std::string date_text(std::int64_t time_s);

}  // namespace kferry::x509
