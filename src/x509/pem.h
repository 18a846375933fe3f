// PEM (RFC 7468 and RFC 1421) as found in practice: finds the blocks of a text, and writes blocks. Indentation, blank
// lines, trailing blanks, any kind of line end and text between the blocks do not matter, and a damaged block does not
// hide the next one. Never does I/O.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

struct PemBlock {
  std::string_view label;    // "CERTIFICATE", "ENCRYPTED PRIVATE KEY", …
  std::string_view before;   // the text since the previous block
  std::string_view headers;  // "Proc-Type: 4,ENCRYPTED\nDEK-Info: …", or empty
  std::size_t line = 0;      // of its BEGIN line, from 1
  Bytes bytes;               // wipe it if it is a key
  bool well_formed = false;  // false: the END line is missing, or the content is not base64
};

// Every block, in order. Views point into `text`.
std::vector<PemBlock> read_pem(std::string_view text);

std::string write_pem(std::string_view label, std::span<const std::byte> der);

}  // namespace kferry::x509
