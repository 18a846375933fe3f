#include "x509/trust.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "x509/certificate.h"
#include "x509/host.h"
#include "x509/name.h"
#include "x509/name_constraints.h"
#include "x509/objections.h"
#include "x509/openssl.h"

namespace kferry::x509 {
namespace {

// Paths tried for one chain. Each costs at most one signature a certificate; what peers have in the field needs three.
constexpr std::size_t paths_max = 12;
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

bool signed_by(X509* certificate, X509* issuer) {
  const bool is = X509_check_issued(issuer, certificate) == X509_V_OK &&
                  X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
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

// An extended key usage that allows everything, which RFC 5280 §4.2.1.12 lets a verifier accept and OpenSSL's purposes
// do not.
bool allows_any_purpose(X509* certificate) {
  return (X509_get_extended_key_usage(certificate) & XKU_ANYEKU) != 0 &&
         X509_get_extended_key_usage(certificate) != UINT32_MAX;
}

bool allows_signing(X509* certificate) {
  return (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
}

}  // namespace

struct TrustStore::Impl {
  // What a verification needs beside libcrypto's own state; reached from the callback.
  struct Attempt {
    const Impl& trust;
    bool partial = false;
  };

  struct Outcome {
    int error = X509_V_OK;
    int depth = 0;
    std::vector<X509*> path;  // owned by the chain given or by the store

    bool good() const { return error == X509_V_OK; }
  };

  Role role = Role::client;
  X509StorePtr store{X509_STORE_new()};
  std::vector<X509Ptr> authorities;
  std::set<const X509*> orphans;  // authorities that are not self-signed and whose issuer is not among them
  std::vector<X509Ptr> revoked;   // former authorities: they make the words true, and vouch for nothing
  std::vector<X509Ptr> pinned;
  std::vector<X509CrlPtr> crls;
  std::vector<SubjectRule> subjects;
  bool has_roots = false;
  bool has_links = false;

  bool add_certificate(std::span<const std::byte> der, std::int64_t now_s, std::vector<Note>& notes);
  void add_crl(std::span<const std::byte> der, std::int64_t now_s, std::vector<Note>& notes);
  void leave_out_revoked(std::vector<Note>& notes);
  void find_orphans();
  void note_missing_lists(std::vector<Note>& notes) const;
  X509* issuer_of(const X509_CRL* crl) const;
  const X509_CRL* list_that_names(X509* certificate) const;

  Outcome verify(X509* leaf, STACK_OF(X509) * untrusted, const Question& question, bool partial,
                 const std::set<X509*>& without) const;
  Outcome search(X509* leaf, const std::vector<X509*>& sent, const Question& question) const;
  Outcome judge_pinned(X509* certificate, const Question& question) const;
  int objection_to(const Outcome& outcome, int& depth) const;
  bool signs_without_authority(X509* leaf) const;
  std::int64_t good_until(std::span<X509* const> path, std::int64_t now_s) const;

  static int on_error(int ok, X509_STORE_CTX* context);
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
      if (X509_NAME_cmp(X509_get_subject_name(one.get()), X509_CRL_get_issuer(crl)) != 0) continue;
      const bool signed_here = X509_CRL_verify(const_cast<X509_CRL*>(crl), X509_get0_pubkey(one.get())) == 1;
      ERR_clear_error();
      if (signed_here) return one.get();
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

// The list that names this certificate as revoked, from whichever issuer signed the certificate.
const X509_CRL* TrustStore::Impl::list_that_names(X509* certificate) const {
  for (const X509CrlPtr& crl : crls) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) != 0) continue;
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_cert(crl.get(), &entry, certificate) != 1) continue;
    const X509* const issuer = issuer_of(crl.get());
    if (issuer != nullptr) return crl.get();
  }
  return nullptr;
}

// A path ends at its anchor, whose own revocation nobody looks at: a revoked anchor is none.
void TrustStore::Impl::leave_out_revoked(std::vector<Note>& notes) {
  for (auto* group : {&authorities, &pinned}) {
    for (std::size_t i = 0; i < group->size();) {
      X509Ptr& one = (*group)[i];
      if (list_that_names(one.get()) == nullptr) {
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
  store.reset(X509_STORE_new());
  for (const X509Ptr& one : authorities) X509_STORE_add_cert(store.get(), one.get());
  for (const X509CrlPtr& crl : crls) X509_STORE_add_crl(store.get(), crl.get());
}

void TrustStore::Impl::find_orphans() {
  for (const X509Ptr& one : authorities) {
    if (self_issued(one.get()) &&
        (authority_of(one.get()) == Authority::version_1 || self_signed(one.get()))) {
      has_roots = true;
      continue;
    }
    has_links = true;
    const bool has_issuer = std::ranges::any_of(
        authorities, [&](const X509Ptr& other) { return other != one && signed_by(one.get(), other.get()); });
    if (!has_issuer) orphans.insert(one.get());
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
  impl->leave_out_revoked(notes);
  for (const X509CrlPtr& crl : impl->crls) {
    if (impl->issuer_of(crl.get()) != nullptr) continue;
    // Not wrong: it may be that of an intermediate, which the peer sends.
    notes.push_back({"revocations_foreign",
                     "the revocation list of " + name_or_none(X509_CRL_get_issuer(crl.get())) +
                         " was signed by no certificate of the trust store: it counts only for chains that "
                         "hold its issuer",
                     false});
  }
  impl->find_orphans();
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

// libcrypto's verify callback: what OpenSSL refuses and is right to accept here.
int TrustStore::Impl::on_error(int ok, X509_STORE_CTX* context) {
  if (ok != 0) return ok;
  const auto& attempt = *static_cast<const Attempt*>(X509_STORE_CTX_get_app_data(context));
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_INVALID_PURPOSE: {
      if (certificate == nullptr || !allows_any_purpose(certificate)) return 0;
      const bool is_leaf = X509_STORE_CTX_get_error_depth(context) == 0;
      return (is_leaf ? allows_signing(certificate) : X509_check_ca(certificate) == 1) ? 1 : 0;
    }
    // The anchor of a path that does not reach a root: nobody above it could have a list.
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return attempt.partial && certificate != nullptr && X509_STORE_CTX_get_error_depth(context) > 0 &&
                     attempt.trust.orphans.contains(certificate)
                 ? 1
                 : 0;
    default:
      return 0;
  }
}

TrustStore::Impl::Outcome TrustStore::Impl::verify(X509* leaf, STACK_OF(X509) * untrusted,
                                                   const Question& question, bool partial,
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
  Attempt attempt{*this, partial};
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
// failure it looks again without one of the certificates of the path that failed.
TrustStore::Impl::Outcome TrustStore::Impl::search(X509* leaf, const std::vector<X509*>& sent,
                                                   const Question& question) const {
  std::optional<Outcome> first;
  std::vector<std::set<X509*>> waiting{{}};
  std::set<std::set<X509*>> seen{{}};
  for (std::size_t at = 0, tried = 0; at < waiting.size() && tried < paths_max; ++at) {
    const std::set<X509*> without = waiting[at];
    const StackPtr untrusted = new_stack();
    for (X509* const one : sent) {
      if (!without.contains(one)) sk_X509_push(untrusted.get(), one);
    }
    for (const bool partial : {false, true}) {
      if (partial ? !has_links : !has_roots) continue;
      ++tried;
      Outcome outcome = verify(leaf, untrusted.get(), question, partial, without);
      if (outcome.good()) return outcome;
      if (is_the_leafs_own(outcome.error, outcome.depth)) return outcome;
      // The one to blame first: the certificate itself, or the issuer whose key does not fit.
      std::vector<X509*> suspects(outcome.path.begin() + (outcome.path.empty() ? 0 : 1), outcome.path.end());
      const auto blamed = static_cast<std::size_t>(outcome.depth) -
                          (outcome.error == X509_V_ERR_CERT_SIGNATURE_FAILURE ? 0 : 1);
      if (blamed < suspects.size()) std::swap(suspects[0], suspects[blamed]);
      for (X509* const suspect : suspects) {
        std::set<X509*> more = without;
        more.insert(suspect);
        if (waiting.size() < 4 * paths_max && seen.insert(more).second) waiting.push_back(std::move(more));
      }
      // What a whole path found is closer to the truth than that there was none.
      if (!first || (lacks_issuer(first->error) && !lacks_issuer(outcome.error))) first = std::move(outcome);
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

// The earliest end of what the verdict rests on.
std::int64_t TrustStore::Impl::good_until(std::span<X509* const> path, std::int64_t now_s) const {
  std::int64_t until_s = std::numeric_limits<std::int64_t>::max();
  for (X509* const one : path) {
    until_s = std::min(until_s, time_of(X509_get0_notAfter(one)));
    std::int64_t list_s = 0;
    for (const X509CrlPtr& crl : crls) {
      if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(one)) != 0) continue;
      const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl.get());
      list_s = std::max(list_s, next == nullptr ? std::numeric_limits<std::int64_t>::max() : time_of(next));
    }
    if (list_s >= now_s && list_s > 0) until_s = std::min(until_s, list_s);
  }
  return until_s;
}

Verdict TrustStore::judge(const Question& question) const {
  const Impl& trust = *impl_;
  Verdict verdict;
  const X509Ptr leaf = question.chain.empty() ? nullptr : parse_x509(question.chain.front());
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
  for (std::size_t i = 1; i < question.chain.size(); ++i) {
    if (X509Ptr one = parse_x509(question.chain[i])) {
      sent.push_back(std::move(one));
      places.push_back(i);
    }
  }
  const auto same = std::ranges::find_if(
      trust.pinned, [&](const X509Ptr& one) { return X509_cmp(one.get(), leaf.get()) == 0; });
  Impl::Outcome outcome{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, {}};
  if (same != trust.pinned.end()) outcome = trust.judge_pinned(leaf.get(), question);
  if (!outcome.good()) {
    std::vector<X509*> untrusted;
    for (const X509Ptr& one : sent) untrusted.push_back(one.get());
    for (const X509Ptr& one : trust.revoked) untrusted.push_back(one.get());
    Impl::Outcome other = trust.search(leaf.get(), untrusted, question);
    if (other.good() || same == trust.pinned.end()) outcome = std::move(other);
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
  for (X509* const one : outcome.path) {
    for (std::size_t i = 0; i < sent.size(); ++i) {
      if (sent[i].get() == one) verdict.path.push_back(places[i]);
    }
  }
  verdict.good_until_s = trust.good_until(outcome.path, question.now_s);
  return verdict;
}

}  // namespace kferry::x509
