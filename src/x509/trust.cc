#include "x509/trust.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "x509/certificate.h"
#include "x509/host.h"
#include "x509/name.h"
#include "x509/name_constraints.h"
#include "x509/objections.h"
#include "x509/openssl.h"
#include "x509/parsed_certificates.h"

namespace kferry::x509 {
namespace {

// Paths tried for one chain. Each costs at most one signature a certificate; what peers have in the field needs three.
constexpr std::size_t paths_max = 12;
// Signatures verified while issuers are looked for: what a hostile chain may cost.
constexpr std::size_t signatures_max = 2 * chain_size_max;
// OpenSSL's security level that refuses MD5 and SHA-1 signatures and RSA keys below 1024 bits.
constexpr int security_level = 1;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;  // refers to certificates of others

StackPtr new_stack() {
  return StackPtr(sk_X509_new_null());
}

bool self_issued(X509* certificate) {
  return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

bool self_signed(X509* certificate) {
  const bool is = X509_self_signed(certificate, 1) == 1;
  ERR_clear_error();
  return is;
}

// OpenSSL's X509_check_ca(): 1 for basicConstraints with CA:TRUE and a fitting key usage, 3 for a self-signed
// certificate of version 1.
enum class Authority : std::uint8_t { no, yes, version_1 };

Authority authority_of(X509* certificate) {
  const int found = X509_check_ca(certificate);
  return found == 1 ? Authority::yes : found == 3 ? Authority::version_1 : Authority::no;
}

bool signed_by(X509* certificate, X509* issuer) {
  const bool is = X509_check_issued(issuer, certificate) == X509_V_OK &&
                  X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return is;
}

bool is_list_of(const X509_CRL* list, X509* issuer) {
  const bool is = X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(list)) == 0 &&
                  X509_CRL_verify(const_cast<X509_CRL*>(list), X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return is;
}

// Whether a list counts now: it is current, and has no critical extension that libcrypto does not know.
bool counts(const X509_CRL* list, std::int64_t now_s) {
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(list);
  if (now_s < time_of(X509_CRL_get0_lastUpdate(list)) || (next != nullptr && now_s >= time_of(next)))
    return false;
  for (int at = -1; (at = X509_CRL_get_ext_by_critical(list, 1, at)) >= 0;) {
    switch (OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(list, at)))) {
      case NID_issuing_distribution_point:
      case NID_authority_key_identifier:
        continue;
      default:
        return false;
    }
  }
  return true;
}

// An extended key usage that allows everything, which RFC 5280 §4.2.1.12 lets a verifier accept and OpenSSL's purposes
// do not.
bool allows_any_purpose(X509* certificate) {
  return (X509_get_extended_key_usage(certificate) & XKU_ANYEKU) != 0 &&
         X509_get_extended_key_usage(certificate) != UINT32_MAX;
}

bool has_weak_signature(X509* certificate) {
  constexpr int bits_min = 80;  // of security_level
  int bits = 0;
  return X509_get_signature_info(certificate, nullptr, nullptr, &bits, nullptr) != 1 || bits < bits_min;
}

bool allows_signing(X509* certificate) {
  return (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
}

}  // namespace

struct TrustStore::Impl {
  // What the verifications of one chain share; reached from libcrypto's callbacks.
  struct Attempt {
    const Impl& trust;
    std::int64_t now_s = 0;
    // Issuers are looked at closely before a path goes through them: not at first, when the likeliest is mostly right.
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
  // The authorities that others of them have signed, with those. They need a list like any other certificate.
  std::map<const X509*, std::vector<X509*>> signers;
  std::vector<X509Ptr> revoked;  // former authorities: they make the words true, and vouch for nothing
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
  Outcome search(X509* leaf, const std::vector<X509*>& sent, const Question& question) const;
  Outcome judge_pinned(X509* certificate, const Question& question) const;
  std::int64_t good_until(std::span<X509* const> path, std::int64_t now_s) const;

  static int on_error(int ok, X509_STORE_CTX* context);
  static int on_issuer(X509_STORE_CTX* context, X509* certificate, X509* issuer);
  static STACK_OF(X509_CRL) * on_lists(const X509_STORE_CTX* context, const X509_NAME* issuer);
};

// --- making a store

bool TrustStore::Impl::add_certificate(std::span<const std::byte> der, std::int64_t now_s,
                                       std::vector<Note>& notes) {
  X509Ptr certificate = parse_x509(der);
  if (certificate == nullptr) {
    notes.push_back({"certificate_malformed", "a certificate in it cannot be parsed: export it again", true});
    return false;
  }
  const std::string subject = name_or_none(X509_get_subject_name(certificate.get()));
  if (X509_get0_pubkey(certificate.get()) == nullptr) {
    ERR_clear_error();
    notes.push_back({"authority_unusable",
                     "the certificate of " + subject +
                         " has a key of a kind that is not known "
                         "here: it vouches for nothing",
                     true});
    return false;
  }
  const std::int64_t not_before_s = time_of(X509_get0_notBefore(certificate.get()));
  const std::int64_t not_after_s = time_of(X509_get0_notAfter(certificate.get()));
  if (now_s > not_after_s) {
    notes.push_back({"authority_expired",
                     "the certificate of " + subject + " expired at " + date_text(not_after_s) +
                         ": it vouches for nothing any more; replace or remove it",
                     true});
  } else if (now_s < not_before_s) {
    notes.push_back({"authority_not_yet_valid",
                     "the certificate of " + subject + " is not valid before " + date_text(not_before_s) +
                         ": it vouches for nothing until then",
                     true});
  }
  const Authority kind = authority_of(certificate.get());
  const bool root_of_version_1 = kind == Authority::version_1 && role == Role::broker;
  if (kind != Authority::yes && !root_of_version_1) {
    notes.push_back({"not_an_authority",
                     "the certificate of " + subject + " is not an authority (" +
                         why_not_an_authority(certificate.get()) +
                         "): it vouches for itself only, not for certificates "
                         "that it has signed",
                     false});
    pinned.push_back(std::move(certificate));
    return true;
  }
  if (root_of_version_1) {
    notes.push_back({"authority_version_1",
                     "the root certificate of " + subject +
                         " is of X.509 version 1, which "
                         "cannot say that it is an authority: it is accepted; replace it by one of version 3",
                     false});
  }
  if (X509_STORE_add_cert(store.get(), certificate.get()) != 1) {
    notes.push_back(
        {"authority_unusable", "the certificate of " + subject + " cannot be used: " + last_reason(), true});
    return false;
  }
  authorities.push_back(std::move(certificate));
  return true;
}

X509* TrustStore::Impl::issuer_of(const X509_CRL* crl) const {
  for (const auto* group : {&authorities, &revoked, &pinned}) {
    for (const X509Ptr& one : *group) {
      if (is_list_of(crl, one.get())) return one.get();
    }
  }
  return nullptr;
}

void TrustStore::Impl::add_crl(std::span<const std::byte> der, std::int64_t now_s, std::vector<Note>& notes) {
  X509CrlPtr crl = parse_crl(der);
  if (crl == nullptr) {
    notes.push_back(
        {"revocations_malformed", "a revocation list in it cannot be parsed: fetch it again", true});
    return;
  }
  const std::string issuer = name_or_none(X509_CRL_get_issuer(crl.get()));
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl.get());
  if (next != nullptr && now_s > time_of(next)) {
    notes.push_back({"revocations_expired",
                     "the revocation list of " + issuer + " expired at " + date_text(time_of(next)) +
                         ": certificates of that issuer are refused until it is renewed",
                     true});
  } else if (now_s < time_of(X509_CRL_get0_lastUpdate(crl.get()))) {
    notes.push_back({"revocations_not_yet_valid",
                     "the revocation list of " + issuer + " is not valid before " +
                         date_text(time_of(X509_CRL_get0_lastUpdate(crl.get()))),
                     true});
  }
  if (X509_STORE_add_crl(store.get(), crl.get()) != 1) {
    notes.push_back({"revocations_malformed",
                     "the revocation list of " + issuer + " cannot be used: " + last_reason(), true});
    return;
  }
  crls.push_back(std::move(crl));
}

// The list that names this certificate as revoked: the newest of each issuer that signed one, whether or not it is out of
// date by now.
const X509_CRL* TrustStore::Impl::list_that_names(X509* certificate, std::int64_t now_s) const {
  std::map<const X509*, const X509_CRL*> newest;
  for (const X509CrlPtr& crl : crls) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) != 0) continue;
    const std::int64_t made_s = time_of(X509_CRL_get0_lastUpdate(crl.get()));
    const X509* const issuer = made_s <= now_s ? issuer_of(crl.get()) : nullptr;
    if (issuer == nullptr) continue;
    const X509_CRL*& kept = newest[issuer];
    if (kept == nullptr || made_s > time_of(X509_CRL_get0_lastUpdate(kept))) kept = crl.get();
  }
  for (const auto& [issuer, crl] : newest) {
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_cert(const_cast<X509_CRL*>(crl), &entry, certificate) == 1) return crl;
  }
  return nullptr;
}

// A path ends at its anchor, whose own revocation nobody looks at: a revoked anchor is none.
void TrustStore::Impl::leave_out_revoked(std::int64_t now_s, std::vector<Note>& notes) {
  for (auto* group : {&authorities, &pinned}) {
    for (std::size_t i = 0; i < group->size();) {
      X509Ptr& one = (*group)[i];
      if (list_that_names(one.get(), now_s) == nullptr) {
        ++i;
        continue;
      }
      notes.push_back({"authority_revoked",
                       "the certificate of " + name_or_none(X509_get_subject_name(one.get())) +
                           " has been revoked by its issuer: it vouches for nothing",
                       true});
      revoked.push_back(std::move(one));
      group->erase(group->begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (revoked.empty()) return;
  // libcrypto has no way to take a certificate out again.
  make_store();
  for (const X509Ptr& one : authorities) X509_STORE_add_cert(store.get(), one.get());
  for (const X509CrlPtr& crl : crls) X509_STORE_add_crl(store.get(), crl.get());
}

void TrustStore::Impl::make_store() {
  store.reset(X509_STORE_new());
  if (store == nullptr) return;
  X509_STORE_set_check_issued(store.get(), on_issuer);
  X509_STORE_set_lookup_crls(store.get(), on_lists);
}

void TrustStore::Impl::look_at_links() {
  for (const X509Ptr& one : authorities) {
    const bool root =
        self_issued(one.get()) && (authority_of(one.get()) == Authority::version_1 || self_signed(one.get()));
    (root ? has_roots : has_links) = true;
    if (root) continue;
    for (const X509Ptr& other : authorities) {
      if (other != one && signed_by(one.get(), other.get())) signers[one.get()].push_back(other.get());
    }
  }
}

void TrustStore::Impl::note_missing_lists(std::vector<Note>& notes) const {
  for (const X509Ptr& one : authorities) {
    const bool has_list = std::ranges::any_of(crls, [&](const X509CrlPtr& crl) {
      return X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(one.get())) == 0;
    });
    if (has_list) continue;
    notes.push_back({"revocations_missing",
                     "there is no revocation list of " + name_or_none(X509_get_subject_name(one.get())) +
                         ", so every certificate that it signed is refused, intermediates too: add its list",
                     false});
  }
}

std::expected<std::shared_ptr<const TrustStore>, Failure> TrustStore::make(const TrustSettings& settings,
                                                                           std::int64_t now_s,
                                                                           std::vector<Note>& notes) {
  auto impl = std::make_unique<Impl>();
  impl->make_store();
  if (impl->store == nullptr) return std::unexpected(Failure{"memory_exhausted", "there is no memory left"});
  impl->role = settings.role;
  impl->subjects = settings.subjects;
  std::set<std::string_view> seen;
  const std::size_t noted = notes.size();
  for (const Octets& der : settings.certificates) {
    if (seen.insert(text_of(der)).second) impl->add_certificate(der, now_s, notes);
  }
  if (impl->authorities.empty() && impl->pinned.empty()) {
    std::string text = "no certificate in it can vouch for anything";
    if (notes.size() > noted) text += ": " + notes.back().text;
    return std::unexpected(Failure{"authority_unusable", std::move(text)});
  }
  for (const Octets& der : settings.revocations) impl->add_crl(der, now_s, notes);
  if (!settings.revocations.empty() && impl->crls.empty()) {
    return std::unexpected(
        Failure{"revocations_unusable", "no revocation list in it can be used: " + notes.back().text});
  }
  impl->leave_out_revoked(now_s, notes);
  for (const X509CrlPtr& crl : impl->crls) {
    if (impl->issuer_of(crl.get()) != nullptr) continue;
    // Not wrong: it may be that of an intermediate, which the peer sends.
    notes.push_back({"revocations_foreign",
                     "the revocation list of " + name_or_none(X509_CRL_get_issuer(crl.get())) +
                         " was signed by no certificate of the trust store: it counts only for chains that "
                         "hold its issuer",
                     false});
  }
  impl->look_at_links();
  if (!impl->crls.empty()) impl->note_missing_lists(notes);
  return std::shared_ptr<const TrustStore>(new TrustStore(std::move(impl)));
}

TrustStore::TrustStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TrustStore::~TrustStore() = default;

bool TrustStore::vouches(std::int64_t now_s) const {
  const auto valid = [&](const X509Ptr& one) {
    return now_s >= time_of(X509_get0_notBefore(one.get())) &&
           now_s <= time_of(X509_get0_notAfter(one.get()));
  };
  return std::ranges::any_of(impl_->authorities, valid) || std::ranges::any_of(impl_->pinned, valid);
}

std::int64_t TrustStore::next_change_s(std::int64_t now_s) const {
  std::int64_t next_s = std::numeric_limits<std::int64_t>::max();
  const auto consider = [&](std::int64_t at_s) {
    if (at_s > now_s) next_s = std::min(next_s, at_s);
  };
  for (const auto* group : {&impl_->authorities, &impl_->pinned}) {
    for (const X509Ptr& one : *group) {
      consider(time_of(X509_get0_notBefore(one.get())));
      consider(time_of(X509_get0_notAfter(one.get())) + 1);
    }
  }
  for (const X509CrlPtr& crl : impl_->crls) {
    consider(time_of(X509_CRL_get0_lastUpdate(crl.get())));
    if (const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl.get())) consider(time_of(next) + 1);
  }
  return next_s;
}

// --- judging a chain

namespace {

// Whether the certificate that libcrypto is at is the path's last, its anchor.
bool is_at_anchor(X509_STORE_CTX* context) {
  return X509_STORE_CTX_get_error_depth(context) + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(context));
}

}  // namespace

// libcrypto's verify callback: what OpenSSL refuses and is right to accept here.
int TrustStore::Impl::on_error(int ok, X509_STORE_CTX* context) {
  if (ok != 0) return ok;
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_INVALID_PURPOSE: {
      if (certificate == nullptr || !allows_any_purpose(certificate)) return 0;
      const bool is_leaf = X509_STORE_CTX_get_error_depth(context) == 0;
      return (is_leaf ? allows_signing(certificate) : X509_check_ca(certificate) == 1) ? 1 : 0;
    }
    // on_lists() has none for the anchor.
    case X509_V_ERR_UNABLE_TO_GET_CRL: {
      if (!is_at_anchor(context)) return 0;
      const auto& attempt = *static_cast<const Attempt*>(X509_STORE_CTX_get_app_data(context));
      const int found = attempt.trust.listed(certificate, attempt.now_s);
      X509_STORE_CTX_set_error(context, found);
      return found == X509_V_OK ? 1 : 0;
    }
    default:
      return 0;
  }
}

// What is wrong with the lists for an anchor; X509_V_OK where its issuer is not in the trust store, so that nobody could
// have one. leave_out_revoked() has dealt with those that are on a list.
int TrustStore::Impl::listed(const X509* anchor, std::int64_t now_s) const {
  const auto found = signers.find(anchor);
  if (found == signers.end()) return X509_V_OK;
  int objection = X509_V_ERR_UNABLE_TO_GET_CRL;
  for (const X509CrlPtr& list : crls) {
    const auto signed_here = [&](X509* signer) { return is_list_of(list.get(), signer); };
    if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_issuer_name(anchor)) != 0) continue;
    if (std::ranges::none_of(found->second, signed_here)) continue;
    if (counts(list.get(), now_s)) return X509_V_OK;
    objection = X509_V_ERR_CRL_HAS_EXPIRED;
  }
  return objection;
}

// libcrypto's check whether `issuer` has issued `certificate`, by names and key identifiers; with care, by all that can
// be said of the two.
int TrustStore::Impl::on_issuer(X509_STORE_CTX* context, X509* certificate, X509* issuer) {
  const int found = X509_check_issued(issuer, certificate);
  auto& attempt = *static_cast<Attempt*>(X509_STORE_CTX_get_app_data(context));
  if (!attempt.careful) return found == X509_V_OK || found == X509_V_ERR_KEYUSAGE_NO_CERTSIGN ? 1 : 0;
  if (found != X509_V_OK) return 0;
  const auto known = attempt.issued.find({certificate, issuer});
  if (known != attempt.issued.end()) return known->second ? 1 : 0;
  const Role role = attempt.trust.role;
  const Authority kind = authority_of(issuer);
  const int purpose = role == Role::client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
  const bool in_store =
      std::ranges::any_of(attempt.trust.authorities, [&](const X509Ptr& one) { return one.get() == issuer; });
  const bool may = (in_store || !has_weak_signature(issuer)) &&
                   (kind == Authority::yes || (kind == Authority::version_1 && role == Role::broker)) &&
                   (X509_check_purpose(issuer, purpose, 1) == 1 || allows_any_purpose(issuer)) &&
                   (X509_get_extension_flags(issuer) & EXFLAG_CRITICAL) == 0 &&
                   time_of(X509_get0_notBefore(issuer)) <= attempt.now_s &&
                   time_of(X509_get0_notAfter(issuer)) > attempt.now_s;
  EVP_PKEY* const key = may ? X509_get0_pubkey(issuer) : nullptr;
  const bool is =
      key != nullptr && attempt.issued.size() < signatures_max && X509_verify(certificate, key) == 1;
  ERR_clear_error();
  attempt.issued.emplace(std::pair(certificate, issuer), is);
  return is ? 1 : 0;
}

// libcrypto's search for lists of an issuer's name. It would take the newest, whichever key of that name signed it.
STACK_OF(X509_CRL) * TrustStore::Impl::on_lists(const X509_STORE_CTX* context, const X509_NAME* issuer) {
  STACK_OF(X509)* const path = X509_STORE_CTX_get0_chain(const_cast<X509_STORE_CTX*>(context));
  const int depth = X509_STORE_CTX_get_error_depth(const_cast<X509_STORE_CTX*>(context));
  if (depth + 1 == sk_X509_num(path)) return nullptr;
  STACK_OF(X509_CRL)* const lists = X509_STORE_CTX_get1_crls(context, issuer);
  if (sk_X509_CRL_num(lists) < 2) return lists;
  const auto& attempt =
      *static_cast<const Attempt*>(X509_STORE_CTX_get_app_data(const_cast<X509_STORE_CTX*>(context)));
  // The keys of that name, the issuer's own first: one that has changed its key signs one list for all that it issued
  // (RFC 5280 §6.3.3 (f)).
  for (const bool of_issuer : {true, false}) {
    std::vector<const X509_CRL*> signed_here;
    bool usable = false;
    for (int i = 0; i < sk_X509_CRL_num(lists); ++i) {
      const X509_CRL* const list = sk_X509_CRL_value(lists, i);
      const int end = of_issuer ? depth + 2 : sk_X509_num(path);
      int above = depth + 1;
      while (above < end && !is_list_of(list, sk_X509_value(path, above))) ++above;
      if (above == end) continue;
      signed_here.push_back(list);
      usable = usable || counts(list, attempt.now_s);
    }
    if (signed_here.empty() || (of_issuer && !usable)) continue;
    for (int i = sk_X509_CRL_num(lists) - 1; i >= 0; --i) {
      if (std::ranges::find(signed_here, sk_X509_CRL_value(lists, i)) != signed_here.end()) continue;
      X509_CRL_free(sk_X509_CRL_delete(lists, i));
    }
    break;
  }
  return lists;
}

TrustStore::Impl::Outcome TrustStore::Impl::verify(X509* leaf, STACK_OF(X509) * untrusted,
                                                   const Question& question, Attempt& attempt, bool partial,
                                                   const std::set<X509*>& without) const {
  Outcome outcome;
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  if (context == nullptr || X509_STORE_CTX_init(context.get(), store.get(), leaf, untrusted) != 1) {
    outcome.error = X509_V_ERR_OUT_OF_MEM;
    return outcome;
  }
  StackPtr trusted;
  if (std::ranges::any_of(authorities, [&](const X509Ptr& one) { return without.contains(one.get()); })) {
    trusted = new_stack();
    for (const X509Ptr& one : authorities) {
      if (!without.contains(one.get())) sk_X509_push(trusted.get(), one.get());
    }
    X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  }
  X509_STORE_CTX_set_app_data(context.get(), &attempt);
  X509_STORE_CTX_set_verify_cb(context.get(), on_error);
  X509_STORE_CTX_set_purpose(context.get(),
                             role == Role::client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, question.now_s);
  X509_VERIFY_PARAM_set_depth(parameters, chain_size_max);
  X509_VERIFY_PARAM_set_auth_level(parameters, security_level);
  if (partial) X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (!crls.empty())
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  if (!question.host.empty()) {
    const Host host(question.host);
    X509_VERIFY_PARAM_set_hostflags(parameters, host_flags);
    const bool set =
        !host.text.empty() &&
        (host.is_address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.text.c_str())
                         : X509_VERIFY_PARAM_set1_host(parameters, host.text.data(), host.text.size())) == 1;
    if (!set) return {X509_V_ERR_HOSTNAME_MISMATCH, 0, {leaf}};
  }
  const bool good = X509_verify_cert(context.get()) == 1;
  outcome.error = X509_STORE_CTX_get_error(context.get());
  outcome.depth = X509_STORE_CTX_get_error_depth(context.get());
  if (good) outcome.error = X509_V_OK;
  if (!good && outcome.error == X509_V_OK) outcome.error = X509_V_ERR_UNSPECIFIED;
  if (STACK_OF(X509)* const path = X509_STORE_CTX_get0_chain(context.get())) {
    for (int i = 0; i < sk_X509_num(path); ++i) outcome.path.push_back(sk_X509_value(path, i));
  }
  ERR_clear_error();
  if (!outcome.good()) return outcome;
  // OpenSSL takes an issuer without basicConstraints for an authority where its key usage or a Netscape extension says
  // so.
  for (std::size_t i = 1; i < outcome.path.size(); ++i) {
    const Authority kind = authority_of(outcome.path[i]);
    const bool anchor = i + 1 == outcome.path.size();
    if (kind == Authority::yes || (kind == Authority::version_1 && anchor && role == Role::broker)) continue;
    outcome.error = X509_V_ERR_INVALID_CA;
    outcome.depth = static_cast<int>(i);
    return outcome;
  }
  outcome.error = check_name_constraints(outcome.path, outcome.depth);
  return outcome;
}

namespace {

// What no other path can cure.
bool is_the_leafs_own(int error, int depth) {
  if (depth != 0) return false;
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
    case X509_V_ERR_OUT_OF_MEM:
      return true;
    default:
      return false;
  }
}

}  // namespace

// libcrypto follows the likeliest issuer and does not turn back. One good path is enough (RFC 4158 §2.4): after a
// failure it looks again with care (on_issuer), and then without one of the certificates of the path that failed.
TrustStore::Impl::Outcome TrustStore::Impl::search(X509* leaf, const std::vector<X509*>& sent,
                                                   const Question& question) const {
  std::optional<Outcome> first;
  std::vector<std::set<X509*>> waiting{{}, {}};
  std::set<std::set<X509*>> seen{{}};
  Attempt attempt{*this, question.now_s};
  for (std::size_t at = 0, tried = 0; at < waiting.size() && tried < paths_max; ++at) {
    const std::set<X509*> without = waiting[at];
    attempt.careful = at > 0;
    const StackPtr untrusted = new_stack();
    for (X509* const one : sent) {
      if (!without.contains(one)) sk_X509_push(untrusted.get(), one);
    }
    for (const bool partial : {false, true}) {
      if (partial ? !has_links : !has_roots) continue;
      ++tried;
      Outcome outcome = verify(leaf, untrusted.get(), question, attempt, partial, without);
      if (outcome.good()) return outcome;
      if (is_the_leafs_own(outcome.error, outcome.depth)) return outcome;
      // What a whole path found is closer to the truth than that there was none.
      const bool truer = !first || (lacks_issuer(first->error) && !lacks_issuer(outcome.error));
      if (truer) first = outcome;
      if (!attempt.careful) continue;
      // The one to blame first.
      std::vector<X509*> suspects(outcome.path.begin() + (outcome.path.empty() ? 0 : 1), outcome.path.end());
      const auto blamed = static_cast<std::size_t>(outcome.depth) - 1;
      if (blamed < suspects.size()) std::swap(suspects[0], suspects[blamed]);
      for (X509* const suspect : suspects) {
        std::set<X509*> more = without;
        more.insert(suspect);
        if (waiting.size() < 4 * paths_max && seen.insert(more).second) waiting.push_back(std::move(more));
      }
    }
  }
  if (!first) first = Outcome{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, {leaf}};
  return *first;
}

// A certificate that vouches for itself: no signature counts, and no list but one that names it (leave_out_revoked).
TrustStore::Impl::Outcome TrustStore::Impl::judge_pinned(X509* certificate, const Question& question) const {
  Outcome outcome{X509_V_OK, 0, {certificate}};
  if (question.now_s > time_of(X509_get0_notAfter(certificate))) {
    outcome.error = X509_V_ERR_CERT_HAS_EXPIRED;
  } else if (question.now_s < time_of(X509_get0_notBefore(certificate))) {
    outcome.error = X509_V_ERR_CERT_NOT_YET_VALID;
  } else if ((X509_get_extension_flags(certificate) & EXFLAG_CRITICAL) != 0) {
    outcome.error = X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION;
  } else if (X509_check_purpose(certificate,
                                role == Role::client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER,
                                0) != 1 &&
             !(allows_any_purpose(certificate) && allows_signing(certificate))) {
    outcome.error = X509_V_ERR_INVALID_PURPOSE;
  } else if (!question.host.empty()) {
    if (!names(certificate, Host(question.host))) outcome.error = X509_V_ERR_HOSTNAME_MISMATCH;
  }
  ERR_clear_error();
  return outcome;
}

// The earliest end of what the verdict rests on. Of several current lists of one issuer's name any may have counted.
std::int64_t TrustStore::Impl::good_until(std::span<X509* const> path, std::int64_t now_s) const {
  std::int64_t until_s = std::numeric_limits<std::int64_t>::max();
  for (X509* const one : path) {
    until_s = std::min(until_s, time_of(X509_get0_notAfter(one)));
    if (one == path.back() && !signers.contains(one)) break;
    for (const X509CrlPtr& crl : crls) {
      const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl.get());
      if (next == nullptr || time_of(next) < now_s) continue;
      if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(one)) == 0)
        until_s = std::min(until_s, time_of(next));
    }
  }
  return until_s;
}

Verdict TrustStore::judge(const Question& question) const {
  const Impl& trust = *impl_;
  Verdict verdict;
  const X509Ptr leaf = question.chain.empty() ? nullptr : trust.parsed.parse(question.chain.front());
  if (leaf == nullptr) {
    verdict.objection = {"certificate_malformed", "cannot be parsed", alert_bad_certificate};
    return verdict;
  }
  const X509_NAME* const subject = X509_get_subject_name(leaf.get());
  verdict.subject = name_text(subject);
  if (question.chain.size() > chain_size_max) {
    verdict.objection = {"chain_too_long",
                         "comes with " + std::to_string(question.chain.size()) + " certificates: at most " +
                             std::to_string(chain_size_max) + " are read",
                         alert_bad_certificate};
    return verdict;
  }
  // Those that cannot be parsed are strays: no path can go through them.
  std::vector<X509Ptr> sent;
  std::vector<std::size_t> places;
  const auto among = [](const std::vector<X509Ptr>& group, const X509Ptr& wanted) {
    return std::ranges::any_of(group,
                               [&](const X509Ptr& one) { return X509_cmp(one.get(), wanted.get()) == 0; });
  };
  for (std::size_t i = 1; i < question.chain.size(); ++i) {
    X509Ptr one = parse_x509(question.chain[i]);
    // What was sent twice, or is in the trust store, is looked at once.
    if (one == nullptr || among(sent, one) || among(trust.authorities, one)) continue;
    sent.push_back(std::move(one));
    places.push_back(i);
  }
  const bool pinned = among(trust.pinned, leaf) || among(trust.authorities, leaf);
  Impl::Outcome outcome{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, {}};
  if (pinned) outcome = trust.judge_pinned(leaf.get(), question);
  if (!outcome.good()) {
    std::vector<X509*> untrusted;
    for (const X509Ptr& one : sent) untrusted.push_back(one.get());
    for (const X509Ptr& one : trust.revoked) untrusted.push_back(one.get());
    Impl::Outcome other = trust.search(leaf.get(), untrusted, question);
    if (other.good() || !pinned) outcome = std::move(other);
  }
  // Each suite that is offered has the peer sign with its key (RFC 8446 §4.4.2.4).
  if (outcome.good() && !allows_signing(leaf.get())) {
    outcome.error = X509_V_ERR_INVALID_PURPOSE;
    outcome.depth = 0;
  }
  if (!outcome.good()) {
    verdict.objection = objection_of({.role = trust.role,
                                      .error = outcome.error,
                                      .depth = outcome.depth,
                                      .path = outcome.path,
                                      .pinned = trust.pinned,
                                      .leaf = leaf.get(),
                                      .host = question.host,
                                      .now_s = question.now_s});
    return verdict;
  }
  if (!trust.subjects.empty()) {
    const Name name = read_name(subject);
    if (std::ranges::none_of(trust.subjects, [&](const SubjectRule& rule) { return rule.matches(name); })) {
      verdict.objection = {"certificate_not_allowed",
                           "is good, but its subject is none of those required here", alert_access_denied};
      return verdict;
    }
  }
  verdict.path.push_back(0);
  trust.parsed.keep(question.chain.front(), leaf.get());
  for (X509* const one : outcome.path) {
    for (std::size_t i = 0; i < sent.size(); ++i) {
      if (sent[i].get() != one) continue;
      verdict.path.push_back(places[i]);
      trust.parsed.keep(question.chain[places[i]], one);
    }
  }
  verdict.good_until_s = trust.good_until(outcome.path, question.now_s);
  return verdict;
}

}  // namespace kferry::x509
