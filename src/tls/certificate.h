// Reads what matters of one DER certificate: names, validity, key. Never does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "tls/failure.h"
#include "tls/host_name.h"
#include "tls/secret.h"

namespace kferry::tls {

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

}  // namespace kferry::tls
