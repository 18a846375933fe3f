// Sun's JKS key store (the default of JDK 1.2 to 8): parses it, checks its digest, and decrypts its keys. Never does
// I/O, and checks every length before using it. The format, all big endian:
//
//   store   = FEEDFEED version(4: 1|2) count(4) entry* sha1(password in UTF-16BE, "Mighty Aphrodite", all before)
//   entry   = 1 alias date(8) size(4) EncryptedPrivateKeyInfo chain(4) certificate*      a key with its chain
//           | 2 alias date(8) certificate                                                a trusted certificate
//   alias   = size(2) bytes          certificate = type(as alias, version 2 only) size(4) DER
//   the key = SEQUENCE { SEQUENCE { 1.3.6.1.4.1.42.2.17.1.1, NULL }, OCTET STRING { salt(20) masked sha1(20) } }
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace kferry::x509 {

struct JksKey {
  std::string alias;
  Bytes protected_key;  // EncryptedPrivateKeyInfo
  std::vector<Bytes> chain;
};

struct JksTrusted {
  std::string alias;
  Bytes certificate;
};

struct JksStore {
  std::vector<JksKey> keys;
  std::vector<JksTrusted> trusted;
};

enum class JksProblem : std::uint8_t { malformed, password_wrong };

bool is_jks(std::span<const std::byte> file);

// Without a password the digest is not checked, like in Java's trust stores.
std::expected<JksStore, JksProblem> read_jks(std::span<const std::byte> file,
                                             std::optional<std::string_view> password);

// Returns the key as unencrypted PKCS#8.
std::expected<Secret, JksProblem> unprotect_jks_key(std::span<const std::byte> protected_key,
                                                    std::string_view password);

// A password in Java's form: UTF-16, big endian. Malformed UTF-8 becomes U+FFFD.
Secret utf16_of(std::string_view utf8);

}  // namespace kferry::x509
