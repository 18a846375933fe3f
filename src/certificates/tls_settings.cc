#include "certificates/tls_settings.h"

#include "certificates/store_reading.h"

namespace kferry::certificates {

using config::Problem;

namespace {

tls::Version version_of(config::TlsVersion version) {
  return version == config::TlsVersion::tls_1_2 ? tls::Version::tls_1_2 : tls::Version::tls_1_3;
}

}  // namespace

tls::Offer offer_of(const config::TlsOffer& offer) {
  return {version_of(offer.lowest), version_of(offer.highest), offer.ciphers.text, offer.curves.text};
}

tls::ClientAuth client_auth_of(config::ClientAuth mode) {
  switch (mode) {
    case config::ClientAuth::none:
      return tls::ClientAuth::none;
    case config::ClientAuth::optional:
      return tls::ClientAuth::optional;
    case config::ClientAuth::require:
      break;
  }
  return tls::ClientAuth::require;
}

Problem problem_of(const Failure& failure, const SettingsOfContext& settings) {
  const auto at = [&](const config::Store* store) {
    return store == nullptr ? Problem{settings.owner, failure.text, {}, false}
                            : Problem{store->where, name_of(*store) + ": " + failure.text, {}, false};
  };
  const auto written = [&](const config::Written& setting) {
    return Problem{setting.where.empty() ? settings.owner : setting.where, failure.text, {}, false};
  };
  if (failure.cause == "cipher_unknown" || failure.cause == "versions_empty")
    return written(settings.offer.ciphers);
  if (failure.cause == "curve_unknown") return written(settings.offer.curves);
  if (failure.cause == "authority_unusable" || failure.cause == "authorities_missing" ||
      failure.cause == "client_authorities_missing" || failure.cause == "subject_rule_malformed") {
    return at(settings.authorities);
  }
  if (failure.cause == "revocations_unusable") return at(settings.revocations);
  if (settings.identity == nullptr) return at(nullptr);
  return at(failure.cause.starts_with("key_") && settings.identity->key ? &*settings.identity->key
                                                                        : &settings.identity->certificates);
}

}  // namespace kferry::certificates
