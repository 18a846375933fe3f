#include "x509/store_kind.h"

#include "x509/jks.h"
#include "x509/openssl.h"

namespace kferry::x509 {
namespace {

constexpr std::string_view pem_begin = "-----BEGIN ";

// Returns the tag byte of the first element of `der` (0x30: SEQUENCE), or 0 if there is none. Sets `der` to its
// content, which may be truncated.
int enter(std::span<const std::byte>& der) {
  const unsigned char* const begin = raw(der);
  const unsigned char* at = begin;
  long length = 0;
  int tag = 0, xclass = 0;
  ASN1_get_object(&at, &length, &tag, &xclass, static_cast<long>(der.size()));
  ERR_clear_error();
  if (at == begin || der.empty()) return 0;
  const int written = std::to_integer<int>(der.front());
  der = der.subspan(static_cast<std::size_t>(at - begin));
  return written;
}

// Like enter(), but skips the element. A truncated element leaves nothing.
void skip(std::span<const std::byte>& der) {
  const unsigned char* const begin = raw(der);
  const unsigned char* at = begin;
  long length = 0;
  int tag = 0, xclass = 0;
  const int form = ASN1_get_object(&at, &length, &tag, &xclass, static_cast<long>(der.size()));
  ERR_clear_error();
  der = (form & 0x81) != 0 ? std::span<const std::byte>{}
                           : der.subspan(static_cast<std::size_t>(at - begin + length));
}

constexpr int sequence = 0x30, integer = 0x02, object_id = 0x06, octet_string = 0x04;

StoreKind recognise_der(std::span<const std::byte> file) {
  std::span<const std::byte> outer = file;
  if (enter(outer) != sequence) return StoreKind::unknown;
  std::span<const std::byte> first = outer;
  switch (enter(first)) {
    case integer:
      // A PFX has version 3, a key 0 or 1.
      return !first.empty() && first.front() == std::byte{3} ? StoreKind::pkcs12 : StoreKind::key;
    case object_id:
      return StoreKind::pkcs7;
    case sequence:
      break;
    default:
      return StoreKind::unknown;
  }
  if (parse_x509(file) != nullptr) return StoreKind::certificate;
  if (parse_crl(file) != nullptr) return StoreKind::revocations;
  std::span<const std::byte> second = first;
  switch (enter(second)) {
    case object_id: {
      // EncryptedPrivateKeyInfo: SEQUENCE { SEQUENCE { OID … }, OCTET STRING }
      std::span<const std::byte> after = outer;
      skip(after);
      return enter(after) == octet_string ? StoreKind::encrypted_key : StoreKind::unknown;
    }
    case sequence: {
      // ObjectStore: SEQUENCE { SEQUENCE { SEQUENCE { OID … }, OCTET STRING }, integrity check }
      std::span<const std::byte> after = first;
      skip(after);
      return enter(second) == object_id && enter(after) == octet_string ? StoreKind::bcfks
                                                                        : StoreKind::unknown;
    }
    default:
      // Several certificates or lists in a row, or a damaged one.
      return second.empty() ? StoreKind::unknown : StoreKind::certificate;
  }
}

std::uint32_t number_at(std::span<const std::byte> file, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4 && at + i < file.size(); ++i)
    number = number << 8 | std::to_integer<std::uint32_t>(file[at + i]);
  return number;
}

}  // namespace

StoreKind recognise(std::span<const std::byte> file) {
  constexpr std::uint32_t jceks_magic = 0xCECECECE;
  constexpr std::uint32_t bks_salt_size = 20;
  if (is_jks(file)) return StoreKind::jks;
  const std::uint32_t first = number_at(file, 0);
  if (first == jceks_magic) return StoreKind::jceks;
  if ((first == 1 || first == 2) && number_at(file, 4) == bks_salt_size) return StoreKind::bks;
  const std::string_view text = text_of(file);
  if (text.find(pem_begin) != std::string_view::npos) return StoreKind::pem;
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return StoreKind::utf16;
  // "-----BEGIN" and a SEQUENCE begin like this in base64.
  if (text.starts_with("LS0tLS1CRUdJTi") || text.starts_with("MII")) return StoreKind::base64;
  return recognise_der(file);
}

std::string_view unreadable_kind(StoreKind kind) {
  switch (kind) {
    case StoreKind::jceks:
      return "is a JCEKS store: convert it by keytool -importkeystore -srcstoretype JCEKS -deststoretype "
             "PKCS12";
    case StoreKind::bcfks:
      return "is a BCFKS store of BouncyCastle: convert it by keytool -importkeystore -srcstoretype BCFKS "
             "-deststoretype "
             "PKCS12, with BouncyCastle's provider (-providerclass, -providerpath)";
    case StoreKind::bks:
      return "is a BKS store of BouncyCastle: convert it by keytool -importkeystore -srcstoretype BKS "
             "-deststoretype "
             "PKCS12, with BouncyCastle's provider (-providerclass, -providerpath)";
    case StoreKind::utf16:
      return "is PEM in UTF-16: save it as ASCII or UTF-8";
    case StoreKind::base64:
      return "is base64 without BEGIN and END lines: decode it once (base64 -d), or add the lines";
    default:
      return "is neither PEM, PKCS12 nor JKS";
  }
}

}  // namespace kferry::x509
