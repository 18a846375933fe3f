#include "x509/private_key.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace kferry::x509 {
namespace {

using SealedPtr = std::unique_ptr<X509_SIG, Free<X509_SIG_free>>;
using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Free<PKCS8_PRIV_KEY_INFO_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using BnPtr = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;

constexpr int rsa_bits_max = 8192;

using Opened = std::expected<KeyPtr, KeyReason>;

std::unexpected<KeyReason> trouble(KeyTrouble why, std::string detail = {}) {
  return std::unexpected(KeyReason{why, std::move(detail)});
}

// The tag of the first element in the outer SEQUENCE; -1 if there is none. Sets `size` to that of the SEQUENCE.
int tag_within(std::span<const std::byte> der, std::size_t& size) {
  const unsigned char* at = raw(der);
  const unsigned char* const begin = at;
  long length = 0;
  int tag = 0, xclass = 0;
  const auto left = [&] { return static_cast<long>(der.size()) - (at - begin); };
  if ((ASN1_get_object(&at, &length, &tag, &xclass, left()) & 0x80) != 0 || tag != V_ASN1_SEQUENCE ||
      length == 0) {
    return -1;
  }
  size = static_cast<std::size_t>(at - begin + length);
  if ((ASN1_get_object(&at, &length, &tag, &xclass, left()) & 0x80) != 0 || xclass != V_ASN1_UNIVERSAL)
    return -1;
  return tag;
}

// PKCS#8, PKCS#1 and SEC 1 are all a SEQUENCE that begins with a small version number.
bool looks_like_key(std::span<const std::byte> der) {
  std::size_t size = 0;
  const bool numbered = tag_within(der, size) == V_ASN1_INTEGER;
  ERR_clear_error();
  return numbered && size <= der.size();
}

// Also accepts version 2 (RFC 5958), which libcrypto 3.0 cannot parse, by dropping the public key that it adds.
Pkcs8Ptr decode_pkcs8(std::span<const std::byte> der) {
  const unsigned char* at = raw(der);
  Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  std::size_t size = 0;
  if (info == nullptr && tag_within(der, size) == V_ASN1_INTEGER && size <= der.size()) {
    at = raw(der);
    const unsigned char* const end = at + size;
    long length = 0;
    int tag = 0, xclass = 0;
    ASN1_get_object(&at, &length, &tag, &xclass, static_cast<long>(size));
    ASN1_get_object(&at, &length, &tag, &xclass, end - at);
    const unsigned char* const after_version = at + length;
    // The algorithm, then the key.
    at = after_version;
    for (const int wanted : {V_ASN1_SEQUENCE, V_ASN1_OCTET_STRING}) {
      const int form = ASN1_get_object(&at, &length, &tag, &xclass, end - at);
      if ((form & 0x80) != 0 || tag != wanted) return nullptr;
      at += length;
    }
    constexpr std::array<unsigned char, 3> version_1{V_ASN1_INTEGER, 1, 0};
    const auto kept = static_cast<int>(version_1.size()) + static_cast<int>(at - after_version);
    Bytes rewritten(static_cast<std::size_t>(ASN1_object_size(1, kept, V_ASN1_SEQUENCE)));
    auto* out = reinterpret_cast<unsigned char*>(rewritten.data());
    ASN1_put_object(&out, 1, kept, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    std::copy(after_version, at, std::ranges::copy(version_1, out).out);
    const Secret whole(std::move(rewritten));
    at = raw(whole.bytes());
    info.reset(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(whole.bytes().size())));
  }
  ERR_clear_error();
  return info;
}

Opened parse_pkcs8(const PKCS8_PRIV_KEY_INFO* info) {
  KeyPtr key(EVP_PKCS82PKEY(info));
  ERR_clear_error();
  if (key != nullptr) return key;
  const ASN1_OBJECT* algorithm = nullptr;
  PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, info);
  return trouble(KeyTrouble::kind_unknown, name_of(algorithm));
}

// An unencrypted key.
Opened parse_key(std::span<const std::byte> der) {
  if (const Pkcs8Ptr info = decode_pkcs8(der)) return parse_pkcs8(info.get());
  const unsigned char* at = raw(der);
  KeyPtr key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (key != nullptr) return key;
  return trouble(looks_like_key(der) ? KeyTrouble::kind_unknown : KeyTrouble::malformed);
}

KeyReason reason_of(const LockedReason& locked) {
  switch (locked.why) {
    case Locked::wrong_password:
      return {KeyTrouble::password_wrong};
    case Locked::unknown:
      return {KeyTrouble::encryption_unknown, locked.detail};
    case Locked::too_costly:
      return {KeyTrouble::encryption_costly, locked.detail};
    case Locked::malformed:
      break;
  }
  return {KeyTrouble::malformed};
}

Opened open_sealed(const X509_SIG* sealed, std::span<const Password> passwords, Effort& effort) {
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* content = nullptr;
  X509_SIG_get0(sealed, &algorithm, &content);
  if (passwords.empty()) {
    // An encryption that no password can open is the first thing to report.
    const auto known = check_encryption(algorithm, effort);
    return std::unexpected(known ? KeyReason{KeyTrouble::password_missing} : reason_of(known.error()));
  }
  KeyReason reason;
  for (const Password password : passwords) {
    auto plain = decrypt_by_password(algorithm, bytes_of(content), password, effort);
    if (!plain) {
      reason = reason_of(plain.error());
      if (plain.error().why != Locked::wrong_password) break;
      continue;
    }
    const Pkcs8Ptr info = decode_pkcs8(plain->bytes());
    // Random bytes have valid padding once in 256 times.
    if (info != nullptr) return parse_pkcs8(info.get());
    reason = {KeyTrouble::password_wrong};
  }
  return std::unexpected(std::move(reason));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

// "AES-256-CBC,31D0…" from the headers, or nothing.
std::string_view dek_info(std::string_view headers) {
  constexpr std::string_view name = "DEK-Info:";
  const std::size_t at = headers.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = headers.substr(at + name.size());
  return trimmed(rest.substr(0, rest.find_first_of("\r\n")));
}

int give_password(char* into, int size, int, void* from) {
  const auto password = *static_cast<const std::string_view*>(from);
  if (password.size() > static_cast<std::size_t>(size)) return -1;
  std::ranges::copy(password, into);
  return static_cast<int>(password.size());
}

std::string group_of(const EVP_PKEY* key) {
  std::array<char, 80> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return {};
  const char* const nist = EC_curve_nid2nist(OBJ_sn2nid(name.data()));
  return nist != nullptr ? nist : name.data();
}

}  // namespace

const std::string_view served_kinds = "RSA, EC on P-256, P-384 or P-521, or Ed25519";

std::expected<KeyPtr, KeyReason> open_key(std::span<const std::byte> der, std::span<const Password> passwords,
                                          Effort& effort) {
  std::size_t size = 0;
  const bool sealed = tag_within(der, size) == V_ASN1_SEQUENCE;
  ERR_clear_error();
  if (!sealed) return parse_key(der);
  const unsigned char* at = raw(der);
  const SealedPtr info(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (info == nullptr) return trouble(KeyTrouble::malformed);
  return open_sealed(info.get(), passwords, effort);
}

std::expected<KeyPtr, KeyReason> open_rfc1421_key(std::span<const std::byte> content,
                                                  std::string_view headers,
                                                  std::span<const Password> passwords) {
  const std::string_view dek = dek_info(headers);
  const std::string algorithm(trimmed(dek.substr(0, dek.find(','))));
  if (algorithm.empty()) return trouble(KeyTrouble::malformed);
  std::string header = std::string("Proc-Type: 4,ENCRYPTED\nDEK-Info: ").append(dek).append("\n");
  EVP_CIPHER_INFO cipher{};
  const bool known = PEM_get_EVP_CIPHER_INFO(header.data(), &cipher) == 1;
  const std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>> usable(
      EVP_CIPHER_fetch(nullptr, algorithm.c_str(), nullptr));
  ERR_clear_error();
  if (usable == nullptr) return trouble(KeyTrouble::encryption_unknown, algorithm);
  if (!known) return trouble(KeyTrouble::malformed);
  KeyReason reason{KeyTrouble::password_missing};
  for (const Password password : passwords) {
    if (!password) continue;
    reason = {KeyTrouble::password_wrong};
    Bytes plain(content.begin(), content.end());
    auto size = static_cast<long>(plain.size());
    std::string_view text = *password;
    const bool decrypted = PEM_do_header(&cipher, reinterpret_cast<unsigned char*>(plain.data()), &size,
                                         give_password, &text) == 1;
    ERR_clear_error();
    const Secret key(std::move(plain));
    if (!decrypted) continue;
    const auto der = key.bytes().first(static_cast<std::size_t>(size));
    // There is no other check of the password: a wrong one yields random bytes.
    if (!looks_like_key(der)) continue;
    auto parsed = parse_key(der);
    if (parsed || parsed.error().why == KeyTrouble::kind_unknown) return parsed;
  }
  return std::unexpected(std::move(reason));
}

Secret write_key(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_GROUP);
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                   OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
  }
  const Pkcs8Ptr info(EVP_PKEY2PKCS8(key));
  unsigned char* der = nullptr;
  const int size = info == nullptr ? 0 : i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
  ERR_clear_error();
  if (size <= 0) return {};
  Secret written(std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return written;
}

std::string unserved_kind(EVP_PKEY* key) {
  const auto cannot = [](std::string_view kind) {
    return std::string(kind).append(", which kferry cannot serve: use ").append(served_kinds);
  };
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      const int bits = EVP_PKEY_get_bits(key);
      if (bits > rsa_bits_max)
        return "an RSA key of " + std::to_string(bits) + " bits, where kferry takes at most " +
               std::to_string(rsa_bits_max) + ": use 2048 to 4096";
      BIGNUM* third = nullptr;
      const bool more = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_FACTOR3, &third) == 1;
      const BnPtr held(third);
      ERR_clear_error();
      return more ? cannot("an RSA key of more than two primes") : std::string();
    }
    case EVP_PKEY_EC: {
      const std::string group = group_of(key);
      int explicitly = 0;
      EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicitly);
      ERR_clear_error();
      if (explicitly != 0)
        return "an EC key that spells out its curve's parameters, which TLS forbids: make it with a named "
               "curve, "
               "P-256";
      if (group == "P-256" || group == "P-384" || group == "P-521") return {};
      return cannot("an EC key on the curve " + (group.empty() ? std::string("(unnamed)") : group));
    }
    case EVP_PKEY_ED25519:
      return {};
    case EVP_PKEY_ED448:
      return cannot("an Ed448 key");
    case EVP_PKEY_DSA:
      return cannot("a DSA key");
    default: {
      const char* const name = EVP_PKEY_get0_type_name(key);
      return cannot(std::string("of the kind ") + (name != nullptr ? name : "(unnamed)"));
    }
  }
}

bool same_public_key(EVP_PKEY* shown, EVP_PKEY* own) {
  const bool same = shown != nullptr && own != nullptr && EVP_PKEY_eq(shown, own) == 1;
  ERR_clear_error();
  return same;
}

bool signs_for(EVP_PKEY* shown, EVP_PKEY* own) {
  constexpr std::array<unsigned char, 32> text{};
  std::array<unsigned char, 2048> signature{};
  std::size_t size = signature.size();
  const DigestContextPtr signing(EVP_MD_CTX_new()), verifying(EVP_MD_CTX_new());
  const bool belongs =
      EVP_DigestSignInit_ex(signing.get(), nullptr, nullptr, nullptr, nullptr, own, nullptr) == 1 &&
      EVP_DigestSign(signing.get(), signature.data(), &size, text.data(), text.size()) == 1 &&
      EVP_DigestVerifyInit_ex(verifying.get(), nullptr, nullptr, nullptr, nullptr, shown, nullptr) == 1 &&
      EVP_DigestVerify(verifying.get(), signature.data(), size, text.data(), text.size()) == 1;
  ERR_clear_error();
  return belongs;
}

}  // namespace kferry::x509
