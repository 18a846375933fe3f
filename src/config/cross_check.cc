// Problems that only the whole configuration shows: ports used twice, an upstream that is kferry itself.
// Documented in config/validate.h.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/counted.h"
#include "base/lower_case.h"
#include "base/socket_address.h"
#include "config/security_protocol.h"
#include "config/text.h"
#include "config/validate.h"

namespace kferry::config {
namespace {

constexpr std::uint16_t node_port_first = 30'000;
constexpr std::uint16_t node_port_last = 32'767;

// A listener with the draft it came from.
struct Placed {
  const Cluster& cluster;
  const Listener& listener;
  const DraftListener& draft;

  std::string where(std::string_view key) const {
    const auto setting = draft.settings.find(key);
    return setting == draft.settings.end() ? draft.where : setting->second.where;
  }
  std::string title() const { return "listener " + listener.name + " of cluster " + cluster.name; }
};

bool same_sockets(const std::string& a, const std::string& b) {
  const auto left = SocketAddress::parse(a, 0);
  const auto right = SocketAddress::parse(b, 0);
  if (!left || !right) return false;
  // A wildcard takes the port on every address of its family. :: leaves those of IPv4 to a listener that has the port.
  if (left->is_wildcard() || right->is_wildcard()) return left->family() == right->family();
  return *left == *right;
}

bool names_apart(const Listener& a, const Listener& b) {
  return a.sni && b.sni && !names_meet(*a.sni, *b.sni);
}

// Listeners that route by SNI on one address share the socket if no name matches both.
bool share_by_name(const Listener& a, const Listener& b) {
  return a.bind_address == b.bind_address && names_apart(a, b);
}

// The listener's local ports within a range: "6969-6971, 7000".
std::string ports_within(const Listener& listener, std::uint16_t first, std::uint16_t last) {
  std::vector<std::uint16_t> inside;
  for (const Port& port : listener.ports) {
    if (port.local >= first && port.local <= last) inside.push_back(port.local);
  }
  std::sort(inside.begin(), inside.end());
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < inside.size();) {
    std::size_t end = i;
    while (end + 1 < inside.size() && inside[end + 1] == inside[end] + 1) ++end;
    parts.push_back(std::to_string(inside[i]) + (end > i ? "-" + std::to_string(inside[end]) : ""));
    i = end + 1;
  }
  return join(parts, ", ");
}

std::string remedy_of_shared(const Listener& a, const Listener& b) {
  if (!a.sni || !b.sni) return "give each listener ports of its own, or different bind addresses";
  return names_apart(a, b) ? "give them the same bind address, so that they share the socket"
                           : "one name matches both: make their host patterns differ, or give each a port of "
                             "its own";
}

// The ports of the HTTP endpoint, each with the setting that moves it.
std::map<std::uint16_t, std::string> http_ports(const Operations& operations, const Draft& draft) {
  std::map<std::uint16_t, std::string> ports;
  for (const auto& [bind, setting] : {std::pair(operations.metrics_bind, "metrics_bind in [operations]"),
                                      std::pair(operations.health_bind, "health_bind in [operations]")})
    if (bind && bind->port != 0) ports.emplace(static_cast<std::uint16_t>(bind->port), setting);
  const bool by_variable = draft.of(Table::operations).contains("http_port");
  ports.insert_or_assign(operations.port,
                         by_variable ? "GATEWAY_HTTP_PORT" : "GATEWAY_HTTP_PORT (bind in [operations])");
  return ports;
}

void check_ports(const std::vector<Placed>& all, const Config& config, const Draft& draft, Report& report) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      if (!same_sockets(all[i].listener.bind_address, all[j].listener.bind_address) ||
          share_by_name(all[i].listener, all[j].listener))
        continue;
      std::set<std::uint16_t> taken;
      for (const Port& port : all[i].listener.ports) taken.insert(port.local);
      Listener common;
      for (const Port& port : all[j].listener.ports) {
        if (taken.contains(port.local)) common.ports.push_back(port);
      }
      if (common.ports.empty()) continue;
      report.error(
          all[j].where("ports"),
          all[j].title() + " and " + all[i].title() + " share local port " + ports_within(common, 1, 65535),
          remedy_of_shared(all[i].listener, all[j].listener));
    }
    const Listener& listener = all[i].listener;
    for (const auto& [number, setting] : http_ports(config.operations, draft)) {
      if (std::ranges::none_of(listener.ports, [&](const Port& port) { return port.local == number; }))
        continue;
      report.error(all[i].where("ports"),
                   all[i].title() + " takes port " + std::to_string(number) + ", which is the HTTP port",
                   "move the listener, or set " + setting + " to another port");
    }
  }
}

// Compares only the text; `check --dial` compares resolved addresses.
void check_self(const std::vector<Placed>& all, const Config& config, const Draft& draft, Report& report) {
  for (std::size_t c = 0; c < config.clusters.size(); ++c) {
    for (const HostPort& server : config.clusters[c].upstream.bootstrap_servers) {
      const auto literal = SocketAddress::parse(server.host, 0);
      const bool local = lower_case(server.host) == "localhost" || (literal && literal->is_loopback());
      for (const Placed& placed : all) {
        const auto bind = SocketAddress::parse(placed.listener.bind_address, 0);
        const bool same =
            std::any_of(placed.listener.ports.begin(), placed.listener.ports.end(), [&](const Port& port) {
              if (port.advertised == server.port &&
                  lower_case(server.host) == lower_case(placed.listener.advertised_host))
                return true;
              if (port.local != server.port || !bind) return false;
              return local ? bind->is_wildcard() || bind->is_loopback() : literal && *literal == *bind;
            });
        if (!same) continue;
        const Section& upstream = draft.clusters[c].upstream;
        const auto setting = upstream.find("bootstrap_servers");
        report.error(setting == upstream.end() ? draft.clusters[c].where : setting->second.where,
                     to_string(server) + " is " + placed.title() + " itself: kferry would dial itself",
                     "name the brokers' own addresses");
        break;
      }
    }
  }
}

// The header comes before the name that decides between the listeners.
void check_proxy_protocols(const std::vector<Placed>& all, Report& report) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      const Listener& a = all[i].listener;
      const Listener& b = all[j].listener;
      if (!share_by_name(a, b) || a.ports.empty() || b.ports.empty() ||
          a.ports.front().local != b.ports.front().local)
        continue;
      if (a.proxy_protocol == b.proxy_protocol && a.proxy_protocol_from == b.proxy_protocol_from) continue;
      report.error(all[j].where("proxy_protocol"),
                   all[j].title() + " and " + all[i].title() +
                       " share a socket, and differ in proxy_protocol or proxy_protocol_from",
                   "give both the same, because the header comes before the name that tells them apart");
    }
  }
}

// Clients of one listener would reach the other one, unless their DNS leads them apart.
void warn_of_one_place(const std::vector<Placed>& all, Report& report) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      const Listener& a = all[i].listener;
      const Listener& b = all[j].listener;
      if (lower_case(a.advertised_host) != lower_case(b.advertised_host) || names_apart(a, b)) continue;
      std::set<std::uint16_t> told;
      for (const Port& port : a.ports) told.insert(port.advertised);
      const auto shared =
          std::ranges::find_if(b.ports, [&](const Port& port) { return told.contains(port.advertised); });
      if (shared == b.ports.end()) continue;
      report.warn(
          all[j].where("advertised_host"),
          all[j].title() + " and " + all[i].title() + " both tell clients of " +
              to_string(HostPort{b.advertised_host, shared->advertised}),
          "give each listener a host or advertised ports of its own, unless the clients of each resolve "
          "the name to another address");
    }
  }
}

void warn_listener(const Placed& placed, const Sources& sources, Report& report) {
  const Listener& listener = placed.listener;
  if (sources.ephemeral_ports) {
    const auto [first, last] = *sources.ephemeral_ports;
    if (const std::string inside = ports_within(listener, first, last); !inside.empty()) {
      const std::string range = std::to_string(first) + "-" + std::to_string(last);
      report.warn(placed.where("ports"),
                  "port " + inside + " of " + placed.title() + " is in the kernel's ephemeral range " +
                      range + ": an outgoing connection may hold it when kferry starts",
                  "use ports outside, or set net.ipv4.ip_local_reserved_ports=" + inside);
    }
  }
  if (const std::string inside = ports_within(listener, node_port_first, node_port_last); !inside.empty()) {
    report.warn(placed.where("ports"),
                "port " + inside + " of " + placed.title() + " is in Kubernetes' NodePort range 30000-32767",
                "on a Kubernetes node use ports outside it");
  }
  const auto advertised = SocketAddress::parse(listener.advertised_host, 0);
  const std::string place = placed.where("advertised_host");
  if (advertised && advertised->is_wildcard()) {
    report.warn(place,
                placed.title() + " advertises " + listener.advertised_host + ", which no client can dial",
                "advertise the name or address under which clients reach kferry");
  } else if ((advertised && advertised->is_loopback()) ||
             lower_case(listener.advertised_host) == "localhost") {
    report.warn(
        place,
        placed.title() + " advertises " + listener.advertised_host + ": only clients on this host reach it",
        "advertise the name or address under which clients reach kferry");
  }
  const auto bind = SocketAddress::parse(listener.bind_address, 0);
  const Upstream& upstream = placed.cluster.upstream;
  if (uses_tls(upstream.security_protocol) && !uses_tls(listener.security_protocol) && bind &&
      !bind->is_loopback()) {
    report.warn(placed.where("security_protocol"),
                placed.title() +
                    " is plaintext off loopback in front of a TLS upstream: passwords cross in the clear",
                "use " + std::string(uses_sasl(upstream.security_protocol) ? "SASL_SSL" : "SSL") +
                    " on the listener, or bind it to 127.0.0.1");
  }
  std::set<std::string> hosts;
  for (const HostPort& server : upstream.bootstrap_servers) hosts.insert(to_string(server));
  if (listener.routing == Routing::port && !listener.ports.empty() && listener.ports.size() < hosts.size()) {
    report.warn(placed.where("ports"),
                placed.title() + " has " + counted(listener.ports.size(), "port") + " for " +
                    counted(hosts.size(), "bootstrap server") + ": some brokers will have no port",
                "list at least as many ports as the cluster has brokers");
  }
}

}  // namespace

void cross_check(const Config& config, const Draft& draft, const Sources& sources, Report& report) {
  std::vector<Placed> all;
  for (std::size_t c = 0; c < config.clusters.size(); ++c) {
    for (std::size_t l = 0; l < config.clusters[c].listeners.size(); ++l) {
      all.push_back({config.clusters[c], config.clusters[c].listeners[l], draft.clusters[c].listeners[l]});
    }
  }
  check_ports(all, config, draft, report);
  check_proxy_protocols(all, report);
  check_self(all, config, draft, report);
  warn_of_one_place(all, report);
  for (const Placed& placed : all) warn_listener(placed, sources, report);
}

}  // namespace kferry::config
