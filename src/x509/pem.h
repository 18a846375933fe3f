// PEM (RFC 7468): blocks read out of a text that may hold other words between them, and written. Never does
// I/O.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

struct PemBlock {
  std::string_view label;    // "CERTIFICATE", "ENCRYPTED PRIVATE KEY", …
  std::string_view text;     // from "-----BEGIN" to the end of its END line
  std::string_view headers;  // "Proc-Type: 4,ENCRYPTED\nDEK-Info: …", or empty
  Octets octets;             // wipe it if it is a key
  bool well_formed = false;  // false: no END line, or what stands between is no base64
};

// Every block, in order. Views point into `text`.
std::vector<PemBlock> read_pem(std::string_view text);

std::string write_pem(std::string_view label, std::span<const std::byte> der);

}  // namespace kferry::x509
