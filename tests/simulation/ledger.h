// What the simulated clients and brokers know of one run together, and what kferry cannot: every order with
// its place on its connection, every reply as the broker meant it. Whatever is found wrong is noted here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orders.h"
#include "replies.h"

namespace kferry::simulation {

// Stands in every host name of the upstream: no client may ever receive it.
inline constexpr std::string_view upstream_marker = "upstream-secret";

class Ledger {
 public:
  explicit Ledger(std::uint64_t seed) : next_nonce_((seed << 24U) + 1) {}

  struct Connection {
    std::vector<Order> orders;   // as the client sent them; kferry's own to answer among them
    int bound = 0;               // broker connections that carried it: at most one
    std::size_t seen = 0;        // orders a broker has had whole, and kferry's own before the last of them
    bool cut_by_client = false;  // the client's FIN came inside a request
    bool broker_ended = false;   // a broker saw the end of its requests, in order
    bool broker_reset = false;   // a broker saw a reset
  };

  std::int32_t open() {
    connections_.emplace_back();
    return static_cast<std::int32_t>(connections_.size()) - 1;
  }
  Connection& connection(std::int32_t number) { return connections_.at(static_cast<std::size_t>(number)); }
  // Gives the order its nonce and place.
  Order& enter(std::int32_t connection, Order order);
  // The connection on which this nonce was sent first.
  std::optional<std::int32_t> begun_by(std::uint64_t nonce) const;

  void answer(const Reply& reply) { replies_[reply.order.nonce] = reply; }
  const Reply* reply(std::uint64_t nonce) const;
  void forget(std::uint64_t nonce) { replies_.erase(nonce); }

  void violation(std::string text);
  const std::vector<std::string>& violations() const { return violations_; }

  // Figures of the run.
  std::uint64_t requests_seen = 0;
  std::uint64_t replies_verified = 0;
  std::uint64_t bytes_verified = 0;

 private:
  std::vector<Connection> connections_;
  std::map<std::uint64_t, std::int32_t> first_;  // by nonce
  std::map<std::uint64_t, Reply> replies_;       // by nonce
  std::vector<std::string> violations_;
  std::uint64_t next_nonce_;
};

}  // namespace kferry::simulation
