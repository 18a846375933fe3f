#include "x509/stores.h"

#include <openssl/pkcs7.h>

#include <utility>

#include "x509/identity_reading.h"
#include "x509/key_opener.h"
#include "x509/openssl.h"
#include "x509/own_chain.h"
#include "x509/pem.h"
#include "x509/store_contents.h"

namespace kferry::x509 {
namespace {

// Why the trust settings of an OpenSSL TRUSTED CERTIFICATE exclude it from this role.
std::string trust_refused(X509* certificate, Role role) {
  const int purpose = role == Role::client ? NID_client_auth : NID_server_auth;
  const auto lists = [&](const STACK_OF(ASN1_OBJECT) * objects) {
    for (int i = 0; i < sk_ASN1_OBJECT_num(objects); ++i) {
      const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(objects, i));
      if (nid == purpose || nid == NID_anyExtendedKeyUsage) return true;
    }
    return false;
  };
  const auto* const trusted = X509_get0_trust_objects(certificate);
  const std::string name(OBJ_nid2sn(purpose));
  if (lists(X509_get0_reject_objects(certificate))) return "rejects it for " + name;
  if (trusted != nullptr && !lists(trusted)) return "does not trust it for " + name;
  return {};
}

std::expected<std::vector<Bytes>, Failure> no_revocations(const StoreFile& file, std::vector<Note>& notes,
                                                          std::size_t before) {
  if (notes.size() > before) return fail(file, "revocations_unusable", notes[before].text);
  return fail(file, "revocations_missing", "holds no revocation list (X509 CRL)");
}

}  // namespace
std::expected<Identity, Failure> read_identity(const StoreFile& file, const KeyChoice& choice,
                                               std::vector<Note>& notes) {
  const StoreKind kind = recognise(file.bytes);
  KeyOpener opener(file, kind);
  auto contents = read_contents(file, kind, false, opener, notes);
  if (!contents) return std::unexpected(std::move(contents.error()));
  return identity_of(file, file, opener, std::move(*contents), choice, notes);
}

std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key,
                                               const KeyChoice& choice, std::vector<Note>& notes) {
  const StoreKind kind = recognise(certificates.bytes);
  KeyOpener unused(certificates, kind);
  auto contents = read_contents(certificates, kind, false, unused, notes);
  if (!contents) return std::unexpected(std::move(contents.error()));
  const StoreKind key_kind = recognise(key.bytes);
  KeyOpener opener(key, key_kind);
  auto keys = read_contents(key, key_kind, false, opener, notes);
  if (!keys) return std::unexpected(std::move(keys.error()));
  contents->keys = std::move(keys->keys);
  for (HeldKey& one : contents->keys) one.chain.reset();
  return identity_of(certificates, key, opener, std::move(*contents), choice, notes);
}

std::expected<std::vector<Bytes>, Failure> read_authorities(const StoreFile& file, Role role,
                                                            std::vector<Note>& notes) {
  const StoreKind kind = recognise(file.bytes);
  KeyOpener unused(file, kind);
  const std::size_t before = notes.size();
  const auto contents = read_contents(file, kind, true, unused, notes);
  if (!contents) return std::unexpected(contents.error());
  std::vector<Bytes> found;
  for (const HeldCertificate& held : contents->certificates) {
    if (const std::string refused = trust_refused(held.x509.get(), role); !refused.empty()) {
      notes.push_back({"authority_rejected",
                       "the certificate of " + subject_of(held.x509.get()) +
                           " is left out, as its TRUSTED CERTIFICATE block " + refused +
                           ": write it again by openssl x509 -trustout -addtrust",
                       true});
      continue;
    }
    found.push_back(der_of(held.x509.get()));
  }
  if (!found.empty()) return found;
  if (notes.size() > before) return fail(file, notes[before].cause, notes[before].text);
  return fail(file, "authorities_missing",
              "holds no certificate to trust" + instead_of_certificates(file, kind));
}

std::expected<std::vector<Bytes>, Failure> read_revocations(const StoreFile& file, std::vector<Note>& notes) {
  const std::size_t before = notes.size();
  std::vector<Bytes> found;
  const auto damage = [&](const std::string& which) {
    notes.push_back({"revocations_malformed",
                     which + " is not a revocation list that can be read and is left out: fetch it again",
                     true});
  };
  const auto take_der = [&](std::span<const std::byte> der, const std::string& which) {
    const unsigned char* at = raw(der);
    const X509CrlPtr crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
    ERR_clear_error();
    if (crl == nullptr) {
      damage(which);
      return std::size_t{0};
    }
    const auto size = static_cast<std::size_t>(at - raw(der));
    found.emplace_back(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size));
    return size;
  };
  const auto take_lists_of = [&](std::span<const std::byte> der) {
    const Pkcs7Ptr pkcs7 = parse_pkcs7(der);
    const STACK_OF(X509_CRL)* const lists = pkcs7 == nullptr ? nullptr : pkcs7->d.sign->crl;
    for (int i = 0; i < sk_X509_CRL_num(lists); ++i) {
      unsigned char* one = nullptr;
      const int size = i2d_X509_CRL(sk_X509_CRL_value(lists, i), &one);
      if (size <= 0) continue;
      const auto bytes = std::as_bytes(std::span(one, static_cast<std::size_t>(size)));
      found.emplace_back(bytes.begin(), bytes.end());
      OPENSSL_free(one);
    }
  };
  const StoreKind kind = recognise(file.bytes);
  switch (kind) {
    case StoreKind::pem:
      for (PemBlock& block : read_pem(text_of(file.bytes))) {
        if (is_key(block)) wipe(block.bytes);
        if (is_pkcs7(block)) take_lists_of(block.bytes);
        if (block.label != "X509 CRL") continue;
        if (block.well_formed) {
          take_der(block.bytes, block_at(block));
        } else {
          damage(block_at(block));
        }
      }
      break;
    case StoreKind::pkcs7:
      take_lists_of(file.bytes);
      break;
    case StoreKind::revocations:
    case StoreKind::certificate:
    case StoreKind::unknown: {
      if (file.bytes.empty()) return fail(file, "store_empty", "is empty");
      std::span<const std::byte> rest = file.bytes;
      while (!rest.empty()) {
        const std::size_t size =
            take_der(rest, found.empty() ? "it" : "what follows list " + std::to_string(found.size()));
        if (size == 0) break;
        rest = rest.subspan(size);
      }
      if (found.empty()) notes.resize(before);
      break;
    }
    default:
      break;
  }
  if (!found.empty()) return found;
  return no_revocations(file, notes, before);
}

}  // namespace kferry::x509
