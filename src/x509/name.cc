#include "x509/name.h"

#include <array>

namespace kferry::x509 {
namespace {

std::string dotted(const ASN1_OBJECT* object) {
  std::array<char, 128> text{};
  const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  return size > 0 && static_cast<std::size_t>(size) < text.size() ? std::string(text.data()) : std::string();
}

std::string utf8_of(const ASN1_STRING* string) {
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, string);
  ERR_clear_error();
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return result;
}

Bytes der_of(const ASN1_STRING* string) {
  // i2d_ASN1_TYPE writes a value of any type with its own tag, and does not modify its argument.
  ASN1_TYPE value{};
  value.type = ASN1_STRING_type(string);
  value.value.asn1_string = const_cast<ASN1_STRING*>(string);
  unsigned char* der = nullptr;
  const int size = i2d_ASN1_TYPE(&value, &der);
  ERR_clear_error();
  if (size <= 0) return {};
  const auto bytes = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  Bytes result(bytes.begin(), bytes.end());
  OPENSSL_free(der);
  return result;
}

}  // namespace

Name read_name(const X509_NAME* name) {
  Name result;
  int set = -1;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
    if (X509_NAME_ENTRY_set(entry) != set) {
      set = X509_NAME_ENTRY_set(entry);
      result.emplace_back();
    }
    const ASN1_STRING* const value = X509_NAME_ENTRY_get_data(entry);
    result.back().push_back({dotted(X509_NAME_ENTRY_get_object(entry)), utf8_of(value), der_of(value)});
  }
  return result;
}

}  // namespace kferry::x509
