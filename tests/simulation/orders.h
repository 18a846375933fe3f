// One request of a simulated client: everything about it, so that the receiver can make its bytes again and
// compare. The order's nonce is in its client id, by which a broker recognises it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bytes.h"

namespace kferry::simulation {

enum class Kind : std::uint8_t {
  opaque,
  metadata,
  find_coordinator,
  describe_cluster,
  api_versions,
  produce,
  produce_unanswered,  // acks=0
  fetch,
  share_fetch,
  share_acknowledge,
  describe_quorum,
  sasl_handshake,
  sasl_authenticate,
  raw_token,  // after SaslHandshake v0
};

struct Order {
  std::uint64_t nonce = 0;
  Kind kind = Kind::opaque;
  std::int16_t key = 0;
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  std::int32_t connection = -1;           // the ledger's number
  std::optional<std::int32_t> meant_for;  // the broker that must get it; nullopt: any
  std::size_t body_size = 0;
  std::size_t reply_size = 0;
  bool endpoints = false;    // the reply is to carry NodeEndpoints
  bool controllers = false;  // DescribeCluster of controllers
  bool scram = false;        // SaslHandshake: two tokens rather than one

  // Answered by kferry itself; no broker sees it.
  bool own() const { return kind == Kind::api_versions && version > 5; }
  bool answered() const { return kind != Kind::produce_unanswered; }
  // May go to a stand-in (config.md, "Stand-ins serve bootstrap only").
  bool bootstrap() const;
  // Nothing else may be on the way together with it.
  bool alone() const;
  bool flexible() const;
};

// The request as it leaves the client, with its length.
std::string encode(const Order& order);
// The nonce in the first frame that begins here; nullopt when it is not a request of ours. Needs at
// least nonce_prefix bytes.
std::optional<std::uint64_t> nonce_in(std::string_view bytes);
inline constexpr std::size_t nonce_prefix = 4 + 2 + 2 + 4 + 2 + 20;

// What a client asks.
struct Mix {
  std::size_t body_max = 3'000;
  std::size_t reply_max = 20'000;
  std::uint64_t large_one_in = 0;  // so many opaque exchanges have a part of more than a MiB; 0: none
  bool only_bootstrap = false;
  bool only_opaque = false;
  bool unanswered = true;
  bool endpoints = true;
};
Order some_order(Dice& dice, const Mix& mix, std::optional<std::int32_t> meant_for);
Order order_of(Dice& dice, Kind kind, std::int16_t version);

}  // namespace kferry::simulation
