// What is known of one broker beyond its address: when it last answered there, and which other addresses answers have
// claimed for it. A claim moves nothing by itself; proxy/topology.h says which evidence does. Pure: every call passes
// the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/socket_address.h"

namespace kferry::proxy {

// Who asked for an answer, and who gave it. Valid during the call that it is passed to.
struct Teacher {
  // The client: its address and the client id of its first request. No address: kferry's own discovery.
  const SocketAddress* client_address = nullptr;
  std::string_view client_id{};
  HostPort server{};  // where the connection was dialled
  bool bootstrap = false;
  // Discovery: a second server, asked in the same round, says the same.
  bool seconded = false;

  bool discovery() const { return client_address == nullptr; }
  // Different for different clients. A client's port does not count, and its id does: many clients share one address.
  std::uint64_t client() const;
  std::uint64_t answered_by() const;
  // "a Metadata response from k1:9092 to client 10.0.0.7 (client id app)"
  std::string text(ApiKey source) const;
};

// True if `at` is known and no longer ago than `time`.
inline bool within(const std::optional<Instant>& at, Duration time, Instant now) {
  return at && now - *at <= time;
}

struct Claim {
  HostPort address;
  std::string by;     // the first source, for messages
  bool full = false;  // a full list has named it
  bool of_discovery = false;
  bool two_clients = false;  // since `since`
  bool two_servers = false;
  bool failed = false;       // it was dialled, and no Kafka response came
  std::uint64_t client = 0;  // the first since `since`
  std::uint64_t server = 0;
  // Full lists have named it from then on, and none the known address; nullopt: one has named that.
  std::optional<Instant> since{};
  Instant named_at{};
  std::optional<Instant> reported_at{};  // the last line about it
};

struct BrokerRecord {
  // An attacker who invents addresses replaces his own claims, not one that several clients share.
  static constexpr std::size_t claims_max = 4;
  static constexpr Duration claim_lifetime = std::chrono::minutes(5);
  // One line per pair of addresses.
  static constexpr Duration report_interval = std::chrono::hours(1);

  std::string taught_by;                 // who named the known address, for messages
  std::optional<Instant> answered_at{};  // a Kafka response on a connection dialled to the known address
  std::optional<Instant> broken_at{};    // a connection there was ended by the broker, or could not be made
  std::optional<Instant> cut_at{};       // the last of those that had been answered on, or could not be made
  std::size_t attached = 0;              // connections to the known address that are open and have answered
  std::uint64_t broken_for = 0;          // the client whose connection it was; 0: the network's failure
  bool doubted = false;                  // the last connection dialled there brought no Kafka response
  std::vector<Claim> claims{};
  // While the broker is provisional:
  std::uint64_t introduced_by = 0;  // the client
  Instant lapses_at{};
  bool was_confirmed = false;  // once lapsed it is unlisted rather than forgotten
  Instant unlisted_at{};       // valid while the broker is unlisted and not provisional

  void broke(Instant now, bool cut) {
    broken_at = now;
    if (cut) cut_at = now;
  }
  // Notes that `teacher` names this address. `full`: by a full list.
  Claim& claim(const HostPort& address, const Teacher& teacher, ApiKey source, bool full, Instant now);
  Claim* find(const HostPort& address);
  // A full list has named the known address: claims of others begin anew.
  void contradict_claims();
  // Somebody but this client claims another address by a full list.
  bool claimed_beside(std::uint64_t client, Instant now) const;
  // The claim to be tried next while the known address is doubted; nullptr: none is left.
  const Claim* best_claim(Instant now) const;
  // True if this claim is to be reported now.
  static bool report_due(Claim& claim, Instant now);
};

}  // namespace kferry::proxy
