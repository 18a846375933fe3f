// Certificates, keys, authorities and revocation lists out of the files that operators have: PEM (PKCS#1, SEC 1,
// PKCS#8, each encrypted or not), PKCS12 (those of older JDKs too), JKS, and single DER certificates. Recognised by
// content, never by name. Takes bytes and never does I/O. Every failure is one line that names the file, what is
// wrong and the remedy; none shows a secret.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "x509/failure.h"
#include "x509/identity.h"

namespace kferry::x509 {

enum class StoreKind : std::uint8_t { pem, pkcs12, jks, jceks, certificate, unknown };

StoreKind recognise(std::span<const std::byte> file);

// A file as it was read, with the words that an operator knows it by.
struct StoreFile {
  std::string name;  // "/etc/kferry/tls.p12", or the variable that holds PEM itself
  std::span<const std::byte> octets{};
  std::optional<std::string> password{};                   // of the store: UTF-8, as Java clients take it
  std::optional<std::string> key_password{};               // of the key; the store's, where it is missing
  std::string password_variable = "the store's password";  // "GATEWAY_SSL_KEY_STORE_PASSWORD"
  std::string key_password_variable = "the key's password";
};

// The first key of a store with its chain, ordered from the leaf up.
std::expected<Identity, Failure> read_identity(const StoreFile& file);
// A certificate chain and its key in two files, PEM or DER.
std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key);
// Every certificate of a store: whom to trust.
std::expected<std::vector<Octets>, Failure> read_authorities(const StoreFile& file);
// PEM ("X509 CRL"), several in a file, or one in DER.
std::expected<std::vector<Octets>, Failure> read_revocations(const StoreFile& file);

// Whether this wolfSSL decrypts RC2, by which older OpenSSLs and JDKs wrote PKCS12; the packaged one
// does not.
bool reads_rc2();

}  // namespace kferry::x509
