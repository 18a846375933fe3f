// Failures that end a TLS connection: each has a cause for machines and, for a person, the place and the remedy. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "tls/record/alert.h"
#include "tls/record/failures.h"
#include "x509/trust.h"

namespace kferry::tls {

// Recognizes another protocol by its first bytes; nullopt if there are too few to tell.
std::optional<Failure> not_tls(std::span<const std::byte> first, Remote remote, bool ended);

// What is known when a connection fails.
struct Breakdown {
  Remote remote = Remote::client;
  bool handshaking = true;
  int error = 0;               // wolfSSL's, negative
  std::optional<Alert> alert;  // the fatal alert received
  x509::Objection objection;   // to the certificates; an empty cause if there is none
  int certificate_error = 0;   // wolfSSL's objection to a certificate; 0 if there is none
  std::string certificate_subject;
  bool has_identity = true;           // false: kferry is the client, and has no certificate to show
  std::uint16_t highest_version = 0;  // what the client offered
  std::string host;                   // the broker's name
};
Failure failure_of(const Breakdown& breakdown);

// The stream ended without close_notify.
Failure ended_early(Remote remote, bool handshaking, bool heard_anything);

}  // namespace kferry::tls
