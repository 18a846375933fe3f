// Looks for a path from a certificate to the trust store, with libcrypto. Documented in x509/trust.h.
#include <algorithm>
#include <optional>
#include <utility>

#include "x509/host.h"
#include "x509/name_constraints.h"
#include "x509/objections.h"
#include "x509/trust_impl.h"

namespace kferry::x509 {
namespace {

// How many paths are tried for one chain. Each costs at most one signature per certificate. Real peers need three.
constexpr std::size_t paths_max = 12;
// How many signatures are verified in the search for issuers, which limits what a hostile chain can cost.
constexpr std::size_t signatures_max = 2 * chain_size_max;
// The security level of OpenSSL that refuses MD5 and SHA-1 signatures and RSA keys below 1024 bits.
constexpr int security_level = 1;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;  // does not own the certificates

StackPtr new_stack() {
  return StackPtr(sk_X509_new_null());
}

// Whether a list counts now: it is current, and has no unknown critical extension.
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

bool has_weak_signature(X509* certificate) {
  constexpr int bits_min = 80;  // of security_level
  int bits = 0;
  return X509_get_signature_info(certificate, nullptr, nullptr, &bits, nullptr) != 1 || bits < bits_min;
}

}  // namespace

namespace {

// Whether libcrypto is at the last certificate of the path, its anchor.
bool is_at_anchor(X509_STORE_CTX* context) {
  return X509_STORE_CTX_get_error_depth(context) + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(context));
}

}  // namespace

// libcrypto's verify callback: accepts what OpenSSL refuses although it is acceptable here.
int TrustStore::Impl::on_error(int ok, X509_STORE_CTX* context) {
  if (ok != 0) return ok;
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_INVALID_PURPOSE: {
      if (certificate == nullptr || !allows_any_purpose(certificate)) return 0;
      const bool is_leaf = X509_STORE_CTX_get_error_depth(context) == 0;
      return (is_leaf ? allows_signing(certificate) : X509_check_ca(certificate) == 1) ? 1 : 0;
    }
    // on_lists() returns no lists for the anchor.
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

// What is wrong with the lists for an anchor; X509_V_OK if its issuer is not in the trust store, so that there can be
// no list. leave_out_revoked() has already removed revoked anchors.
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

// libcrypto's check whether `issuer` issued `certificate`, by names and key identifiers. In the careful mode the issuer
// must also be an authority that may sign now, and the signature must verify.
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

// libcrypto's search for lists with an issuer's name. On its own it would take the newest, whichever key signed it.
STACK_OF(X509_CRL) * TrustStore::Impl::on_lists(const X509_STORE_CTX* context, const X509_NAME* issuer) {
  STACK_OF(X509)* const path = X509_STORE_CTX_get0_chain(const_cast<X509_STORE_CTX*>(context));
  const int depth = X509_STORE_CTX_get_error_depth(const_cast<X509_STORE_CTX*>(context));
  if (depth + 1 == sk_X509_num(path)) return nullptr;
  STACK_OF(X509_CRL)* const lists = X509_STORE_CTX_get1_crls(context, issuer);
  if (sk_X509_CRL_num(lists) < 2) return lists;
  const auto& attempt =
      *static_cast<const Attempt*>(X509_STORE_CTX_get_app_data(const_cast<X509_STORE_CTX*>(context)));
  // Lists signed by the issuer's own key come first. An authority that has changed its key signs one list for
  // everything it issued (RFC 5280 §6.3.3 (f)), but libcrypto takes a list without a key identifier for one of the
  // issuer's own.
  for (const bool of_issuer : {true, false}) {
    std::vector<const X509_CRL*> signed_here;
    bool usable = false;
    for (int i = 0; i < sk_X509_CRL_num(lists); ++i) {
      const X509_CRL* const list = sk_X509_CRL_value(lists, i);
      const int end = of_issuer ? depth + 2 : sk_X509_num(path);
      if (!of_issuer && X509_CRL_get_ext_by_NID(list, NID_authority_key_identifier, -1) < 0) continue;
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
  // OpenSSL accepts an issuer without basicConstraints as an authority if its key usage or a Netscape extension says
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

// The errors that no other path can avoid.
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

bool TrustStore::Impl::has_twin(X509* certificate, const std::vector<X509*>& sent,
                                const std::set<X509*>& without) const {
  const auto is_other = [&](X509* other) {
    if (other == certificate || without.contains(other) ||
        X509_NAME_cmp(X509_get_subject_name(other), X509_get_subject_name(certificate)) != 0) {
      return false;
    }
    const bool same_key = EVP_PKEY_eq(X509_get0_pubkey(other), X509_get0_pubkey(certificate)) == 1;
    ERR_clear_error();
    return same_key;
  };
  return std::ranges::any_of(sent, is_other) ||
         std::ranges::any_of(authorities, [&](const X509Ptr& one) { return is_other(one.get()); });
}

// libcrypto follows the likeliest issuer and does not backtrack, although one good path is enough (RFC 4158 §2.4). So
// after a failure this tries again in the careful mode (on_issuer), and then without one of the certificates of the
// failed path.
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
      // The error of a complete path says more than the lack of a path.
      const bool truer = !first || (lacks_issuer(first->error) && !lacks_issuer(outcome.error));
      if (truer) first = outcome;
      if (!attempt.careful) continue;
      // The certificate at fault comes first.
      std::vector<X509*> suspects(outcome.path.begin() + (outcome.path.empty() ? 0 : 1), outcome.path.end());
      const auto blamed = static_cast<std::size_t>(outcome.depth) - 1;
      if (blamed < suspects.size()) std::swap(suspects[0], suspects[blamed]);
      for (X509* const suspect : suspects) {
        if (!has_twin(suspect, sent, without)) continue;  // no other certificate could replace it
        std::set<X509*> more = without;
        more.insert(suspect);
        if (waiting.size() < 4 * paths_max && seen.insert(more).second) waiting.push_back(std::move(more));
      }
    }
  }
  if (!first) first = Outcome{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, {leaf}};
  return *first;
}

}  // namespace kferry::x509
