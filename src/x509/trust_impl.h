// The state of a TrustStore and the parts of its verdict. Only for x509/trust*.cc; documented in x509/trust.h.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "x509/openssl.h"
#include "x509/parsed_certificates.h"
#include "x509/trust.h"

namespace kferry::x509 {

// OpenSSL's X509_check_ca(): 1 for basicConstraints with CA:TRUE and a fitting key usage, 3 for a self-signed
// certificate of version 1.
enum class Authority : std::uint8_t { no, yes, version_1 };
Authority authority_of(X509* certificate);

// Whether this key issued the list, by name and signature.
bool is_list_of(const X509_CRL* list, X509* issuer);

// Whether the extended key usage allows everything. RFC 5280 §4.2.1.12 lets a verifier accept that; OpenSSL's purposes
// do not.
bool allows_any_purpose(X509* certificate);

// Whether there is no key usage, or one with digitalSignature.
bool allows_signing(X509* certificate);

struct TrustStore::Impl {
  // Shared by the verifications of one chain, and accessible from libcrypto's callbacks.
  struct Attempt {
    const Impl& trust;
    std::int64_t now_s = 0;
    // Whether issuers are checked closely before a path uses them. Not in the first attempt, which usually succeeds.
    bool careful = false;
    std::map<std::pair<X509*, X509*>, bool> issued{};  // the certificate and its issuer
  };

  struct Outcome {
    int error = X509_V_OK;
    int depth = 0;
    std::vector<X509*> path;  // owned by the chain given or by the store

    bool good() const { return error == X509_V_OK; }
  };

  Role role = Role::client;
  X509StorePtr store;
  std::vector<X509Ptr> authorities;
  // The authorities that other authorities here signed, with their issuers. They need a list like any other
  // certificate.
  std::map<const X509*, std::vector<X509*>> signers;
  std::vector<X509Ptr> revoked;  // former authorities, kept only to word objections; they vouch for nothing
  std::vector<X509Ptr> pinned;
  std::vector<X509CrlPtr> crls;
  std::vector<SubjectRule> subjects;
  mutable ParsedCertificates parsed;
  bool has_roots = false;
  bool has_links = false;

  bool add_certificate(std::span<const std::byte> der, std::int64_t now_s, std::vector<Note>& notes);
  void add_crl(std::span<const std::byte> der, std::int64_t now_s, std::vector<Note>& notes);
  void leave_out_revoked(std::int64_t now_s, std::vector<Note>& notes);
  void make_store();
  void look_at_links();
  void note_missing_lists(std::vector<Note>& notes) const;
  X509* issuer_of(const X509_CRL* crl) const;
  int listed(const X509* anchor, std::int64_t now_s) const;
  const X509_CRL* list_that_names(X509* certificate, std::int64_t now_s) const;

  Outcome verify(X509* leaf, STACK_OF(X509) * untrusted, const Question& question, Attempt& attempt,
                 bool partial, const std::set<X509*>& without) const;
  // Whether another certificate with the same name and key is left.
  bool has_twin(X509* certificate, const std::vector<X509*>& sent, const std::set<X509*>& without) const;
  Outcome search(X509* leaf, const std::vector<X509*>& sent, const Question& question) const;
  Outcome judge_pinned(X509* certificate, const Question& question) const;
  std::int64_t good_until(std::span<X509* const> path, std::int64_t now_s) const;

  static int on_error(int ok, X509_STORE_CTX* context);
  static int on_issuer(X509_STORE_CTX* context, X509* certificate, X509* issuer);
  static STACK_OF(X509_CRL) * on_lists(const X509_STORE_CTX* context, const X509_NAME* issuer);
};

}  // namespace kferry::x509
