#include "x509/openssl.h"

#include <openssl/crypto.h>

#include <ctime>
#include <limits>

namespace kferry::x509 {
namespace {

// Must be the first call, so that neither the host's openssl.cnf nor OPENSSL_CONF changes the set of algorithms.
[[maybe_unused]] const bool without_configuration =
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1;

}  // namespace

X509Ptr parse_x509(std::span<const std::byte> der) {
  const unsigned char* at = raw(der);
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (at != raw(der) + der.size()) certificate.reset();
  return certificate;
}

X509CrlPtr parse_crl(std::span<const std::byte> der) {
  const unsigned char* at = raw(der);
  X509CrlPtr crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (at != raw(der) + der.size()) crl.reset();
  return crl;
}

std::string name_text(const X509_NAME* name) {
  // Like XN_FLAG_RFC2253, but without escaping UTF-8.
  constexpr unsigned long flags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, flags) < 0) {
    ERR_clear_error();
    return {};
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::int64_t time_of(const ASN1_TIME* time) {
  std::tm when{};
  if (ASN1_TIME_to_tm(time, &when) != 1) return std::numeric_limits<std::int64_t>::min();
  return timegm(&when);
}

std::string last_reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? std::string() : std::string(reason);
}

}  // namespace kferry::x509
