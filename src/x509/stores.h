// Reads certificates, keys, authorities and revocation lists from the files that operators have: PEM (PKCS#1, SEC 1,
// PKCS#8, encrypted or not; PKCS7), PKCS12 (also of older JDKs), JKS, and DER. Recognizes files by content, never by
// name. Takes bytes and never does I/O. A failure is one line that names the file, the problem and the remedy, and
// never contains a secret. The work that a file can cause is limited (pbe.h), and so is its size.
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

// Which key to choose from a store with several.
struct KeyChoice {
  std::string alias{};          // if set, no other key is chosen
  std::string alias_setting{};  // the setting for it, "GATEWAY_SSL_KEY_ALIAS"; empty if there is none
  // A key fits if its certificate names one of these. `{{nodeId}}` means the id of any broker.
  std::vector<std::string> hosts{};
  std::int64_t now_s = 0;  // Unix time; among fitting certificates, one that is valid now is preferred
};

// Each function below appends a Note for every part of the file that is left out or may surprise its owner. A Note does
// not name the file.

// Reads a key of a store, its certificate, and the chain above it, from the leaf up. Unrelated certificates are left
// out. If the key has several certificates, one that is valid at `now_s` is chosen, and among those the one that is
// valid longest. If there are several keys, one that fits `choice` is chosen.
std::expected<Identity, Failure> read_identity(const StoreFile& file, const KeyChoice& choice,
                                               std::vector<Note>& notes);
// Reads a certificate chain and its key from two files, PEM or DER.
std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key,
                                               const KeyChoice& choice, std::vector<Note>& notes);
// Reads every certificate of a store that is to be trusted in this role. Returns DER.
std::expected<std::vector<Bytes>, Failure> read_authorities(const StoreFile& file, Role role,
                                                            std::vector<Note>& notes);
// Reads one or more lists in PEM ("X509 CRL"), DER or PKCS7. Returns DER.
std::expected<std::vector<Bytes>, Failure> read_revocations(const StoreFile& file, std::vector<Note>& notes);

}  // namespace kferry::x509
