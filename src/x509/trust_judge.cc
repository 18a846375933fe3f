// The verdict on one chain. Documented in x509/trust.h.
#include <algorithm>
#include <limits>
#include <utility>

#include "x509/host.h"
#include "x509/name.h"
#include "x509/objections.h"
#include "x509/trust_impl.h"

namespace kferry::x509 {

bool allows_any_purpose(X509* certificate) {
  return (X509_get_extended_key_usage(certificate) & XKU_ANYEKU) != 0 &&
         X509_get_extended_key_usage(certificate) != UINT32_MAX;
}

bool allows_signing(X509* certificate) {
  return (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
}

// Judges a certificate that vouches for itself: no signature counts, and no list except one that revokes it
// (leave_out_revoked).
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

// The earliest end of everything that the verdict depends on. Any of several current lists with the issuer's name may
// have counted.
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
  // Certificates that cannot be parsed are strays, because no path can use them.
  std::vector<X509Ptr> sent;
  std::vector<std::size_t> places;
  const auto among = [](const std::vector<X509Ptr>& group, const X509Ptr& wanted) {
    return std::ranges::any_of(group,
                               [&](const X509Ptr& one) { return X509_cmp(one.get(), wanted.get()) == 0; });
  };
  for (std::size_t i = 1; i < question.chain.size(); ++i) {
    X509Ptr one = parse_x509(question.chain[i]);
    // A certificate that was sent twice, or is also in the trust store, counts once.
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
  // With every offered suite the peer signs with its key (RFC 8446 §4.4.2.4).
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
  if (const int bits = EVP_PKEY_get_bits(X509_get0_pubkey(leaf.get())); bits > key_bits_max) {
    verdict.objection = {"key_too_large",
                         "has a key of " + std::to_string(bits) + " bits: at most " +
                             std::to_string(key_bits_max) + " are taken",
                         alert_unsupported_certificate};
    return verdict;
  }
  if (!trust.subjects.empty()) {
    const Name name = read_name(subject);
    if (std::ranges::none_of(trust.subjects, [&](const SubjectRule& rule) { return rule.matches(name); })) {
      verdict.objection = {"certificate_not_allowed",
                           "is good, but its subject is not one of those required here", alert_access_denied};
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
