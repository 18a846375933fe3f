// What DNS has said, and how long it counts. Pure: time comes in with each call; one thread.
//
//   addresses ── fresh for their TTL (1 s to 60 s) ──▶ asked again; kept as the last good answer
//   failure   ── fresh for 1 s ──▶ asked again; meanwhile the last good answer, stale, unless DNS said that
//   there is no
//                such name: then nothing is kept, since the address may be another broker's by now
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/socket_address.h"
#include "net/resolver.h"

namespace kferry::net {

struct CacheRules {
  // A TTL of 0 (an /etc/hosts line, some load balancers) would be a question per dial.
  Duration ttl_min = std::chrono::seconds(1);
  // Cloud brokers change addresses under long TTLs.
  Duration ttl_max = std::chrono::seconds(60);
  Duration failure_ttl = std::chrono::seconds(1);
  // Names come from brokers' answers as well; the least recently asked one goes first.
  std::size_t names_max = 4096;
};

class NameCache {
 public:
  explicit NameCache(CacheRules rules) : rules_(rules) {}
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  // Whether answer() may be given without asking DNS.
  bool fresh(std::string_view name, Instant now);
  // DNS has given these (at least one; their ports do not matter).
  void learn(std::string_view name, const std::vector<SocketAddress>& addresses, Duration ttl, Instant now);
  // DNS has failed, or (`authoritative`) has said that there are no addresses.
  void fail(std::string_view name, std::string error, bool authoritative, Instant now);
  // What is known now, with the request's port in each address.
  Answer answer(std::string_view name, std::uint64_t request, std::uint16_t port, Instant now) const;

  std::size_t size() const { return names_.size(); }

 private:
  struct Name {
    std::string name;
    std::vector<SocketAddress> addresses;  // IPv4 first
    Instant learnt{};
    std::string error;  // of the last question; empty: it was answered
    Instant fresh_until{};
  };
  using Use = std::list<Name>::iterator;

  Name& use(std::string_view name);

  CacheRules rules_;
  std::list<Name> uses_;                             // most recently asked first
  std::unordered_map<std::string_view, Use> names_;  // the keys are the entries' own names
};

}  // namespace kferry::net
