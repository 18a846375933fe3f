// Certificates, keys, authorities and revocation lists from the files that operators have: PEM (PKCS#1, SEC 1, PKCS#8,
// each encrypted or not; PKCS7), PKCS12 (those of older JDKs too), JKS, and DER. Recognised by content, never by name.
// Takes bytes and never does I/O. Every failure is one line that names the file, what is wrong and the remedy; none
// shows a secret. The work that a file can cause is bounded (pbe.h), and so is its size.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "x509/identity.h"
#include "x509/store_file.h"
#include "x509/store_kind.h"
#include "x509/trust.h"

namespace kferry::x509 {

// Which key to take from a store that holds several.
struct KeyChoice {
  std::string alias{};          // if given, no other key is taken
  std::string alias_setting{};  // what to set to choose: "GATEWAY_SSL_KEY_ALIAS"; empty: nothing can be set
  // A key fits if its certificate names one of these. `{{nodeId}}` stands for the id of any broker.
  std::vector<std::string> hosts{};
  std::int64_t now_s = 0;  // Unix time; of several certificates that fit, one that is valid now is preferred
};

// Each function below appends a Note for every part of the file that is left out or may surprise its owner. A Note does
// not name the file.

// A key of a store with its certificate and the chain above it, ordered from the leaf up; certificates that do not
// belong are left out. Of several certificates with the key, one that is valid at `now_s` is taken, and of those the
// one that is valid the longest. Of several keys, one that fits `choice`.
std::expected<Identity, Failure> read_identity(const StoreFile& file, const KeyChoice& choice,
                                               std::vector<Note>& notes);
// A certificate chain and its key in two files, PEM or DER.
std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key,
                                               const KeyChoice& choice, std::vector<Note>& notes);
// Every certificate in a store, DER: those to trust in the role `role`.
std::expected<std::vector<Bytes>, Failure> read_authorities(const StoreFile& file, Role role,
                                                            std::vector<Note>& notes);
// PEM ("X509 CRL"), several in a file, or one in DER. Returns DER.
std::expected<std::vector<Bytes>, Failure> read_revocations(const StoreFile& file, std::vector<Note>& notes);

}  // namespace kferry::x509
