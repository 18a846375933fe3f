// What one side of a TLS connection offers and demands, as plain structs. Certificates and keys are DER; x509/stores.h
// reads them from PEM, PKCS12 and JKS.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "tls/record/traffic_key.h"
#include "tls/record/version.h"
#include "x509/identity.h"

namespace kferry::tls {

enum class ClientAuth : std::uint8_t { none, optional, require };

using x509::Identity;

// Returns the Unix time that certificates are checked against.
using WallClock = std::int64_t (*)();
inline std::int64_t system_time() {
  return std::time(nullptr);
}

struct Offer {
  Version lowest = Version::tls_1_2;
  Version highest = Version::tls_1_3;
  // Names of OpenSSL, or of IANA and Java, separated by colons, commas or blanks, in order of preference. Empty: all
  // that kferry considers safe, which is ECDHE with an AEAD (cipher_names.h lists them).
  std::string ciphers{};
  // "X25519:P-256:P-384", in the same form. Empty: X25519, P-256, P-384, P-521.
  std::string curves{};
};

struct ServerSettings {
  Offer offer{};
  Identity identity{};
  ClientAuth client_auth = ClientAuth::none;
  // Trusted to sign client certificates, as x509/trust.h says. Required unless client_auth is none.
  std::vector<Bytes> client_cas{};
  // If there are any, every certificate below the anchor needs a current list of its issuer.
  std::vector<Bytes> crls{};
  // Rules of x509/subject_rule.h. The subject must match one of them. Empty: any subject.
  std::vector<std::string> required_subjects{};
  // Ignored if client certificates are asked for, because a resumed session would bypass a revocation.
  bool session_tickets = true;
  WallClock wall_clock = system_time;
  std::uint64_t records_per_key = records_per_key_max;  // after which kferry renews its send key
};

struct ClientSettings {
  Offer offer{};
  std::vector<Bytes> cas{};  // trusted authorities; empty: the system's
  std::vector<Bytes> crls{};
  std::optional<Identity> identity{};
  bool verify_host_name = true;  // ssl.endpoint.identification.algorithm=https
  bool resume_sessions = true;   // only in TLS 1.3; Engine::keep_session() says why
  WallClock wall_clock = system_time;
  std::uint64_t records_per_key = records_per_key_max;  // as above
};

}  // namespace kferry::tls
