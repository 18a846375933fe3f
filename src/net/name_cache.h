// DNS answers, and how long they are valid. Pure: every call passes the time; one thread.
//
//   addresses ── fresh for their TTL (1 s to 60 s) ──▶ asked again; kept as the last good answer
//   failure   ── fresh for 1 s ──▶ asked again; until then the last good answer, marked stale
//   doubt     ── a connection to one of its addresses failed ──▶ asked again at once, and then once a second
//
// An answer from before the failure is out of date, however young it is, so that the first question in doubt waits for
// nothing: two questions may follow one another, and over time they are a second apart.
//
// If DNS says that the name does not exist, its addresses are forgotten: they may belong to another broker by now.
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
  // A TTL of 0 (a line of /etc/hosts, some load balancers) would mean a question per dial.
  Duration ttl_min = std::chrono::seconds(1);
  // Brokers in clouds change addresses in spite of long TTLs.
  Duration ttl_max = std::chrono::seconds(60);
  Duration failure_ttl = std::chrono::seconds(1);
  // Between the questions about a name in doubt, after the first.
  Duration doubt_interval = std::chrono::seconds(1);
  // Bounded because brokers' answers contain names, too. The least recently used name is dropped first.
  std::size_t names_max = 4096;
};

class NameCache {
 public:
  explicit NameCache(CacheRules rules) : rules_(rules) {}
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  // Whether answer() may be used without asking DNS.
  bool fresh(std::string_view name, Instant now);
  // DNS returned these addresses, at least one. Their ports are ignored.
  void learn(std::string_view name, const std::vector<SocketAddress>& addresses, Duration ttl, Instant now);
  // DNS failed or, if `authoritative`, said that the name has no addresses.
  void fail(std::string_view name, std::string error, bool authoritative, Instant now);
  // The addresses may be out of date whatever their TTL says. A name that is not in the cache stays out of it.
  void doubt(std::string_view name);
  // True if there are addresses to fall back on.
  bool has_addresses(std::string_view name) const;
  // What is known now, with the request's port in each address. The name must be in the cache.
  Answer answer(std::string_view name, std::uint64_t request, std::uint16_t port, Instant now) const;

  std::size_t size() const { return names_.size(); }

 private:
  struct Name {
    std::string name;
    std::vector<SocketAddress> addresses;  // IPv4 first
    Instant learnt{};
    std::string error;     // of the last question; empty if it was answered
    Instant paid_until{};  // each answer or failure pays for a second; doubt may ask one second ahead of it
    Instant fresh_until{};
  };
  using Use = std::list<Name>::iterator;

  Name& use(std::string_view name);
  void pay(Name& entry, Instant now) const;

  CacheRules rules_;
  std::list<Name> uses_;                             // most recently used first
  std::unordered_map<std::string_view, Use> names_;  // the keys are the entries' own names
};

}  // namespace kferry::net
