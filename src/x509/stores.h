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
#include "x509/trust.h"

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

// Which key to take from a store that holds several.
struct KeyChoice {
  std::string alias{};                            // if given, no other key is taken
  std::string alias_setting = "the key's alias";  // "GATEWAY_SSL_KEY_ALIAS"
  // A key fits if its certificate names one of these. `{{nodeId}}` stands for the id of any broker.
  std::vector<std::string> hosts{};
  std::int64_t now_s = 0;  // Unix time; of several certificates that fit, one that is valid now is preferred
};

// Each function below appends a Note for every part of the file that is left out or may surprise its owner. A Note does
// not name the file.

// A key of a store with its chain, ordered from the leaf up.
std::expected<Identity, Failure> read_identity(const StoreFile& file, const KeyChoice& choice,
                                               std::vector<Note>& notes);
// A certificate chain and its key in two files, PEM or DER.
std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key,
                                               const KeyChoice& choice, std::vector<Note>& notes);
// Every certificate in a store, DER: those to trust in the role `role`.
std::expected<std::vector<Octets>, Failure> read_authorities(const StoreFile& file, Role role,
                                                             std::vector<Note>& notes);
// PEM ("X509 CRL"), several in a file, or one in DER. Returns DER.
std::expected<std::vector<Octets>, Failure> read_revocations(const StoreFile& file, std::vector<Note>& notes);

// Whether this wolfSSL decrypts RC2, by which older OpenSSLs and JDKs wrote PKCS12; the packaged one
// does not.
bool reads_rc2();

}  // namespace kferry::x509
