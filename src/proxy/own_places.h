// Where clients are told to find kferry: the advertised hosts, names and ports of a plan. A broker that is said to be
// at one of them would be kferry itself, reached through a balancer or DNAT, where no address of this host tells so:
// one request would dial kferry again and again. By name that is certain; by address it holds unless TLS with another
// server name may lead elsewhere from there, as behind an ingress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "net/resolver.h"

namespace kferry::proxy {

// Of one configuration; immutable. Any thread.
class AdvertisedPlaces {
 public:
  explicit AdvertisedPlaces(const config::Config& config);

  // True where clients are told of this host and port, whatever the spelling.
  bool has(const HostPort& place) const;

  // Each advertised host once, canonical; with routing by SNI the bootstrap name.
  struct Host {
    std::string name;
    std::set<std::int32_t> ports;
  };
  const std::vector<Host>& hosts() const { return hosts_; }

 private:
  std::vector<Host> hosts_;
  std::map<std::string, std::size_t> by_name_;  // index into hosts_
  // Listeners that route by SNI, with the port that they advertise.
  std::vector<std::pair<config::SniNames, std::int32_t>> names_;
};

// The addresses that the advertised hosts lead to, asked for at start and again as dials go on. Any thread.
class OwnPlaces {
 public:
  // Asks at once. `resolver` outlives it.
  OwnPlaces(net::Resolver& resolver, std::shared_ptr<const AdvertisedPlaces> advertised);
  ~OwnPlaces();
  OwnPlaces(const OwnPlaces&) = delete;
  OwnPlaces& operator=(const OwnPlaces&) = delete;

  // True where a host of `advertised`, the plan's in force, leads to this address, and clients are told of the port.
  bool has(const std::shared_ptr<const AdvertisedPlaces>& advertised, const SocketAddress& address,
           Instant now);

 private:
  static constexpr Duration ask_interval = std::chrono::seconds(5);

  void begin(std::shared_ptr<const AdvertisedPlaces> advertised);
  void ask();
  void take_answers();

  net::Resolver& resolver_;
  std::shared_ptr<const AdvertisedPlaces> advertised_;
  const std::shared_ptr<net::AnswerQueue> answers_;
  std::mutex mutex_;
  Instant asked_at_{};
  std::uint32_t plans_ = 0;                      // answers to requests for an earlier plan are dropped
  std::vector<std::vector<std::string>> known_;  // by host: its addresses, the last good answer
  std::map<std::string, std::vector<std::size_t>> hosts_;  // by address
};

}  // namespace kferry::proxy
