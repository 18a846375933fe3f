#include "x509/description.h"

#include <array>
#include <string_view>

#include "x509/openssl.h"

namespace kferry::x509 {
namespace {

std::string hexadecimal(std::span<const unsigned char> bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

}  // namespace

Description describe(std::span<const std::byte> der) {
  Description description;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(der.data(), der.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1)
    description.sha256 = hexadecimal(std::span(digest).first(size));
  const X509Ptr x509 = parse_x509(der);
  if (x509 != nullptr) {
    description.subject = name_text(X509_get_subject_name(x509.get()));
    description.issuer = name_text(X509_get_issuer_name(x509.get()));
    const ASN1_INTEGER* const serial = X509_get0_serialNumber(x509.get());
    description.serial =
        hexadecimal({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
  }
  ERR_clear_error();
  return description;
}

}  // namespace kferry::x509
