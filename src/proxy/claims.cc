#include "proxy/claims.h"

#include <algorithm>
#include <functional>
#include <tuple>

#include "base/assert.h"
#include "base/printable.h"
#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

constexpr std::size_t client_id_shown_max = 64;
constexpr std::size_t server_shown_max = 256;

// Zero is discovery's.
std::uint64_t identity(const std::string& text) {
  return std::hash<std::string>()(text) | 1U;
}

// Of two claims the one with the greater rank is believed sooner, and dropped later.
auto rank(const Claim& claim) {
  return std::tuple(claim.of_discovery, claim.two_clients, claim.named_at);
}

}  // namespace

std::uint64_t Teacher::client() const {
  if (discovery()) return 0;
  std::string text = client_address->host_text();
  text += ' ';
  text += client_id;
  return identity(text);
}

std::uint64_t Teacher::answered_by() const {
  return identity(to_string(server));
}

std::string Teacher::text(ApiKey source) const {
  std::string text = "a " + std::string(kafka::api_name(source)) + " response from ";
  if (bootstrap) text += "bootstrap server ";
  text += printable_ascii(to_string(server), server_shown_max);
  if (discovery()) return text + " to kferry's own discovery";
  return text + " to client " + client_address->host_text() + " (client id " +
         printable_ascii(client_id, client_id_shown_max) + ")";
}

Claim* BrokerRecord::find(const HostPort& address) {
  const auto place = std::ranges::find(claims, address, &Claim::address);
  return place != claims.end() ? &*place : nullptr;
}

Claim& BrokerRecord::claim(const HostPort& address, const Teacher& teacher, ApiKey source, bool full,
                           Instant now) {
  Claim* known = find(address);
  if (known == nullptr) {
    if (claims.size() < claims_max) {
      claims.emplace_back();
      known = &claims.back();
    } else {
      known = &*std::ranges::min_element(claims, {}, rank);
      *known = {};
    }
    known->address = address;
    known->by = teacher.text(source);
  } else if (now - known->named_at > claim_lifetime) {
    known->since.reset();
  }
  known->named_at = now;
  if (!full) return *known;
  known->full = true;
  known->of_discovery = known->of_discovery || teacher.discovery();
  const std::uint64_t client = teacher.client();
  const std::uint64_t server = teacher.answered_by();
  if (!known->since) {
    known->since = now;
    known->client = client;
    known->server = server;
    known->two_clients = false;
    known->two_servers = false;
  }
  known->two_clients = known->two_clients || known->client != client;
  known->two_servers = known->two_servers || known->server != server;
  return *known;
}

void BrokerRecord::contradict_claims() {
  for (Claim& claim : claims) {
    claim.since.reset();
    claim.two_clients = false;
    claim.two_servers = false;
    claim.of_discovery = false;
  }
}

const Claim* BrokerRecord::best_claim(Instant now) const {
  const Claim* best = nullptr;
  for (const Claim& claim : claims) {
    if (!claim.full || claim.failed || now - claim.named_at > claim_lifetime) continue;
    if (best == nullptr || rank(*best) < rank(claim)) best = &claim;
  }
  return best;
}

bool BrokerRecord::claimed_beside(std::uint64_t client, Instant now) const {
  return std::ranges::any_of(claims, [&](const Claim& claim) {
    if (!claim.full || now - claim.named_at > claim_lifetime) return false;
    return claim.of_discovery || claim.two_clients || claim.client != client;
  });
}

bool BrokerRecord::report_due(Claim& claim, Instant now) {
  if (claim.reported_at && now - *claim.reported_at < report_interval) return false;
  claim.reported_at = now;
  return true;
}

}  // namespace kferry::proxy
