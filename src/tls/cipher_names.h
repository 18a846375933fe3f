// The cipher suites and curves that kferry offers: the names by which OpenSSL, IANA (so Java) and wolfSSL
// know them, and lists of them read. Pure functions.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"

namespace kferry::tls {

struct CipherName {
  std::string_view openssl;  // wolfSSL's name too, but for TLS 1.3
  std::string_view iana;
  std::string_view wolfssl;
  bool by_default;  // forward secret and authenticated encryption
};

struct CurveName {
  std::string_view openssl;  // as in `openssl s_client -groups`
  std::string_view other;    // the older name
  std::string_view iana;     // as Java has it
  int group;                 // IANA's number, wolfSSL's too
};

std::span<const CipherName> cipher_names();
std::span<const CurveName> curve_names();

// wolfSSL's list for `list` (settings.h, Offer::ciphers); a failure names the first word it does not know.
std::expected<std::string, Failure> read_ciphers(std::string_view list);
// The group numbers, in order of preference.
std::expected<std::vector<int>, Failure> read_curves(std::string_view list);

// OpenSSL's name for what wolfSSL says was negotiated; the same text if it is not in the list.
std::string_view openssl_cipher_name(std::string_view wolfssl);

}  // namespace kferry::tls
