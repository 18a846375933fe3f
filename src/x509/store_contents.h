// The contents of a store, before a key is chosen: certificates, and unopened keys (key_opener.h). Only for this
// folder.
#pragma once

#include <openssl/pkcs7.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/secret.h"
#include "x509/openssl.h"
#include "x509/pem.h"
#include "x509/store_file.h"
#include "x509/store_kind.h"
#include "x509/trust.h"

namespace kferry::x509 {

struct HeldCertificate {
  X509Ptr x509;
  std::string key_id;  // PKCS12's localKeyID, which links it to its key; often empty
};

struct HeldKey {
  enum class Form : std::uint8_t { der, rfc1421, jks };

  std::string alias;  // its name in the store, or its position, from 1
  Form form = Form::der;
  Secret sealed;        // encrypted or plain
  std::string headers;  // with rfc1421: the headers of its PEM block
  std::string key_id;
  // The indices of its certificates in StoreContents::certificates, because JKS has a chain for each key. Empty: any.
  std::optional<std::vector<std::size_t>> chain;

  // Exactly one of them is set after an attempt to open the key.
  KeyPtr opened{};
  std::optional<Failure> refused{};
};

struct StoreContents {
  std::vector<HeldCertificate> certificates;
  std::vector<HeldKey> keys;
  // The first part that could not be read; empty if there is none.
  std::string_view damage_cause{};
  std::string damage_text{};

  // Adds a Note about an unreadable part.
  void damage(std::string_view cause, std::string text, std::vector<Note>& notes) {
    if (damage_text.empty()) {
      damage_cause = cause;
      damage_text = text;
    }
    notes.push_back({cause, std::move(text), true});
  }
};

class KeyOpener;

// Reads a file of this kind. Tells `opener` when a PKCS12 or JKS store has been opened. `trust_only`: keys and their
// certificates may be skipped, and so may a password that only protects the store's integrity.
std::expected<StoreContents, Failure> read_contents(const StoreFile& file, StoreKind kind, bool trust_only,
                                                    KeyOpener& opener, std::vector<Note>& notes);

// What a PEM file without certificates contains instead, to follow "holds no certificate"; may be empty.
std::string instead_of_certificates(const StoreFile& file, StoreKind kind);

// "the CERTIFICATE block at line 12"
std::string block_at(const PemBlock& block);
bool is_key(const PemBlock& block);
bool is_pkcs7(const PemBlock& block);

using Pkcs7Ptr = std::unique_ptr<PKCS7, Free<PKCS7_free>>;
// Null if it is not a PKCS7 with certificates or lists.
Pkcs7Ptr parse_pkcs7(std::span<const std::byte> der);

// An alias, safe to be shown in a line of text.
inline std::string shown_alias(std::string_view alias) {
  std::string shown(alias);
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = '?';
  }
  return shown;
}

}  // namespace kferry::x509
