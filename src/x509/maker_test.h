// Certificates and revocation lists made by libcrypto for a test, in a few microseconds and in any shape, even invalid.
#pragma once

#include <openssl/ec.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "x509/identity.h"
#include "x509/openssl.h"

namespace kferry::x509 {

inline constexpr std::int64_t day_s = 86400;

inline Bytes der_of(int (*encode)(const X509*, unsigned char**), const X509* object) {
  unsigned char* bytes = nullptr;
  const int size = encode(object, &bytes);
  if (size <= 0) throw std::runtime_error("i2d");
  const auto all = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
  Bytes result(all.begin(), all.end());
  OPENSSL_free(bytes);
  return result;
}

inline KeyPtr make_key(const char* group = "P-256") {
  KeyPtr key(EVP_EC_gen(group));
  if (key == nullptr) throw std::runtime_error("EVP_EC_gen");
  return key;
}

struct Extension {
  int nid = 0;
  std::string value;  // the syntax of openssl.cnf
};

// "CN" and its value, the least specific first.
using Subject = std::vector<std::pair<std::string, std::string>>;

inline const std::vector<Extension>& authority_extensions() {
  static const std::vector<Extension> all{{NID_basic_constraints, "critical,CA:TRUE"},
                                          {NID_key_usage, "critical,keyCertSign,cRLSign"}};
  return all;
}

inline const std::vector<Extension>& leaf_extensions() {
  static const std::vector<Extension> all{{NID_basic_constraints, "CA:FALSE"},
                                          {NID_ext_key_usage, "serverAuth,clientAuth"},
                                          {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"}};
  return all;
}

struct Made;

struct Wanted {
  Subject subject{};
  const Made* issuer = nullptr;                        // null: self-signed
  std::optional<std::vector<Extension>> extensions{};  // nullopt: those of a leaf
  std::int64_t from_s = -day_s;                        // from now
  std::int64_t to_s = 30 * day_s;
  EVP_PKEY* key = nullptr;  // null: generate one
  long version = X509_VERSION_3;
  const EVP_MD* hash = EVP_sha256();
};

struct Made {
  Bytes der;
  KeyPtr key;
  X509Ptr x509;

  Identity identity(std::vector<Bytes> rest = {}) const {
    unsigned char* bytes = nullptr;
    const int size = i2d_PrivateKey(key.get(), &bytes);
    if (size <= 0) throw std::runtime_error("i2d_PrivateKey");
    Identity identity;
    identity.key = Secret(std::as_bytes(std::span(bytes, static_cast<std::size_t>(size))));
    OPENSSL_free(bytes);
    identity.chain.push_back(der);
    for (Bytes& one : rest) identity.chain.push_back(std::move(one));
    return identity;
  }
};

inline std::int64_t now() {
  return std::time(nullptr);
}

inline std::uint64_t next_serial() {
  static std::uint64_t serial = 1000;
  return ++serial;
}

inline Made make(const Wanted& wanted) {
  Made made;
  if (wanted.key != nullptr) {
    EVP_PKEY_up_ref(wanted.key);
    made.key.reset(wanted.key);
  } else {
    made.key = make_key();
  }
  made.x509.reset(X509_new());
  X509* const x509 = made.x509.get();
  X509_set_version(x509, wanted.version);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), next_serial());
  X509_NAME* const name = X509_get_subject_name(x509);
  for (const auto& [type, value] : wanted.subject) {
    const bool joined = type.starts_with('+');
    X509_NAME_add_entry_by_txt(name, type.c_str() + (joined ? 1 : 0), MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, joined ? -1 : 0);
  }
  X509* const issuer = wanted.issuer == nullptr ? x509 : wanted.issuer->x509.get();
  X509_set_issuer_name(x509, X509_get_subject_name(issuer));
  ASN1_TIME_set(X509_getm_notBefore(x509), now() + wanted.from_s);
  ASN1_TIME_set(X509_getm_notAfter(x509), now() + wanted.to_s);
  X509_set_pubkey(x509, made.key.get());
  if (wanted.version == X509_VERSION_3) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
    for (const Extension& extension : wanted.extensions ? *wanted.extensions : leaf_extensions()) {
      X509_EXTENSION* const made_extension =
          X509V3_EXT_nconf_nid(nullptr, &context, extension.nid, extension.value.c_str());
      if (made_extension == nullptr) throw std::runtime_error("extension " + extension.value);
      X509_add_ext(x509, made_extension, -1);
      X509_EXTENSION_free(made_extension);
    }
  }
  EVP_PKEY* const signer = wanted.issuer == nullptr ? made.key.get() : wanted.issuer->key.get();
  if (X509_sign(x509, signer, wanted.hash) <= 0) throw std::runtime_error("X509_sign");
  made.der = der_of(i2d_X509, x509);
  made.x509 = parse_x509(made.der);  // parsed anew, with nothing cached
  return made;
}

inline Made make_authority(const std::string& name, const Made* issuer = nullptr, Wanted wanted = {}) {
  wanted.subject = {{"O", "T"}, {"CN", name}};
  wanted.issuer = issuer;
  if (!wanted.extensions) wanted.extensions = authority_extensions();
  return make(wanted);
}

inline Made make_leaf(const std::string& name, const Made* issuer, Wanted wanted = {}) {
  wanted.subject = {{"O", "T"}, {"CN", name}};
  wanted.issuer = issuer;
  return make(wanted);
}

inline Bytes make_list(const Made& issuer, const std::vector<const Made*>& revoked,
                       std::int64_t from_s = -3600, std::int64_t to_s = 5 * day_s) {
  const X509CrlPtr crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.x509.get()));
  ASN1_TIME* const time = ASN1_TIME_new();
  ASN1_TIME_set(time, now() + from_s);
  X509_CRL_set1_lastUpdate(crl.get(), time);
  for (const Made* const one : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->x509.get()));
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  ASN1_TIME_set(time, now() + to_s);
  X509_CRL_set1_nextUpdate(crl.get(), time);
  ASN1_TIME_free(time);
  X509_CRL_sort(crl.get());
  if (X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()) <= 0)
    throw std::runtime_error("X509_CRL_sign");
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_CRL(crl.get(), &bytes);
  const auto all = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
  Bytes result(all.begin(), all.end());
  OPENSSL_free(bytes);
  return result;
}

}  // namespace kferry::x509
