// Words libcrypto's objections to a chain for an operator. Only for this folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "x509/openssl.h"
#include "x509/trust.h"

namespace kferry::x509 {

// RFC 8446 §6.2.
inline constexpr std::uint8_t alert_bad_certificate = 42, alert_unsupported_certificate = 43,
                              alert_certificate_revoked = 44, alert_certificate_expired = 45,
                              alert_certificate_unknown = 46, alert_unknown_ca = 48, alert_access_denied = 49;

// A failed verification.
struct Refusal {
  Role role = Role::client;
  int error = 0;                  // X509_V_ERR_…
  int depth = 0;                  // in `path`: 0 is the peer's own certificate
  std::span<X509* const> path{};  // as far as libcrypto built it
  const std::vector<X509Ptr>& pinned;
  X509* leaf = nullptr;
  std::string_view host{};
  std::int64_t now_s = 0;
};

Objection objection_of(const Refusal& refusal);

// Whether the path ended before it reached a certificate of the trust store.
bool lacks_issuer(int error);

// The name's text, or "(no subject)".
std::string name_or_none(const X509_NAME* name);

// "CA:FALSE", "version 3 without basicConstraints", …
std::string why_not_an_authority(X509* certificate);

}  // namespace kferry::x509
