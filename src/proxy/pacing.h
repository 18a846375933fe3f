// How often clients may try again behind a stand-in that has refused them. A client without a node check takes its
// stand-in for the broker it wants: authenticated, it begins its backoff anew, and a dead broker's clients would load
// the living ones with authentications.
//
//   first stand-in of a key          at once: bootstrapping is never held
//   after a refusal behind one       at most one every `interval`, in order; a client that would wait longer than
//                                    wait_max is closed
//   lifetime without a refusal       forgotten
//
// A key is client address, port and client id, so that clients behind one NAT do not hold each other while they
// bootstrap. Thread safe.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"

namespace kferry::proxy {

class Pacing {
 public:
  static constexpr Duration interval = std::chrono::milliseconds(500);
  static constexpr Duration wait_max = std::chrono::seconds(1);
  static constexpr Duration lifetime = std::chrono::seconds(60);
  // The key that was refused longest ago is dropped first.
  static constexpr std::size_t keys_max = 4096;

  // How long a connection waits before it meets a stand-in; nullopt: too many wait already.
  std::optional<Duration> admit(const std::string& key, Instant now);
  // A stand-in has refused a request of the key's.
  void refused(const std::string& key, Instant now);

  std::size_t size() const;

 private:
  struct Key {
    Instant next{};     // when the next connection may go
    Instant refused{};  // the last refusal
  };

  mutable std::mutex mutex_;
  std::map<std::string, Key> keys_;
  std::set<std::pair<Instant, std::string>> by_age_;  // by Key::refused
};

}  // namespace kferry::proxy
