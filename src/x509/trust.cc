#include "x509/trust.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "x509/certificate.h"
#include "x509/objections.h"
#include "x509/trust_impl.h"

namespace kferry::x509 {
namespace {

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

}  // namespace

Authority authority_of(X509* certificate) {
  const int found = X509_check_ca(certificate);
  return found == 1 ? Authority::yes : found == 3 ? Authority::version_1 : Authority::no;
}

bool is_list_of(const X509_CRL* list, X509* issuer) {
  const bool is = X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(list)) == 0 &&
                  X509_CRL_verify(const_cast<X509_CRL*>(list), X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  return is;
}

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

// The list that revokes this certificate: among the newest lists of each issuer that signed one, even if it has
// expired.
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

// Removes revoked anchors, because libcrypto does not check the revocation of a path's anchor.
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
  // libcrypto cannot remove a certificate from a store.
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
  for (const Bytes& der : settings.certificates) {
    if (seen.insert(text_of(der)).second) impl->add_certificate(der, now_s, notes);
  }
  if (impl->authorities.empty() && impl->pinned.empty()) {
    std::string text = "no certificate in it can vouch for anything";
    if (notes.size() > noted) text += ": " + notes.back().text;
    return std::unexpected(Failure{"authority_unusable", std::move(text)});
  }
  for (const Bytes& der : settings.revocations) impl->add_crl(der, now_s, notes);
  if (!settings.revocations.empty() && impl->crls.empty()) {
    return std::unexpected(
        Failure{"revocations_unusable", "no revocation list in it can be used: " + notes.back().text});
  }
  impl->leave_out_revoked(now_s, notes);
  for (const X509CrlPtr& crl : impl->crls) {
    if (impl->issuer_of(crl.get()) != nullptr) continue;
    // Not an error: it may be the list of an intermediate that the peer sends.
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

}  // namespace kferry::x509
