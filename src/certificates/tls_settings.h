// Translates a configuration's TLS settings to those of tls, and the failures of tls to problems that name the setting
// at fault. Pure.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "config/config.h"
#include "config/load.h"
#include "tls/settings.h"

namespace kferry::certificates {

tls::Offer offer_of(const config::TlsOffer& offer);
tls::ClientAuth client_auth_of(config::ClientAuth mode);

inline const config::Store* pointer(const std::optional<config::Store>& store) {
  return store ? &*store : nullptr;
}

// Moves what was read into `into`, or reports why it could not be read.
template <typename Value>
void take_or_report(std::expected<Value, Failure> read, const config::Store& store, Value& into,
                    std::vector<config::Problem>& problems) {
  if (read) {
    into = std::move(*read);
  } else {
    problems.push_back({store.where, std::move(read.error().text), {}, false});
  }
}

// The settings behind a context, any of which a failure may be about.
struct SettingsOfContext {
  const config::TlsOffer& offer;
  const config::Identity* identity;
  const config::Store* authorities;
  const config::Store* revocations;
  const std::string& owner;  // named when none of the others fits
};
config::Problem problem_of(const Failure& failure, const SettingsOfContext& settings);

}  // namespace kferry::certificates
