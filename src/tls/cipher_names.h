// The cipher suites and curves that kferry offers, under the names of OpenSSL, IANA (and so Java) and wolfSSL, and the
// parsing of lists of them. Pure functions.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"

namespace kferry::tls {

struct CipherName {
  std::string_view openssl;  // wolfSSL's name too, except in TLS 1.3
  std::string_view iana;
  std::string_view wolfssl;
  bool by_default;  // has forward secrecy and authenticated encryption
};

struct CurveName {
  std::string_view openssl;  // as in `openssl s_client -groups`
  std::string_view other;    // the older name
  std::string_view iana;     // Java's name
  int group;                 // IANA's number, which wolfSSL uses
};

std::span<const CipherName> cipher_names();
std::span<const CurveName> curve_names();

// Translates `list` (settings.h, Offer::ciphers) to a list for wolfSSL. A failure names the first unknown word.
std::expected<std::string, Failure> read_ciphers(std::string_view list);
// The group numbers, in order of preference.
std::expected<std::vector<int>, Failure> read_curves(std::string_view list);

// OpenSSL's name for the suite that wolfSSL reports as negotiated; the same text if it is not in the list.
std::string_view openssl_cipher_name(std::string_view wolfssl);

}  // namespace kferry::tls
