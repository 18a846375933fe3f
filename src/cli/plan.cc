#include "cli/plan.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/socket_address.h"
#include "config/grammar.h"
#include "config/ports.h"

namespace kferry::cli {
namespace {

using config::Cluster;
using config::Config;
using config::Listener;
using Rows = std::vector<std::vector<std::string>>;

// Columns side by side, two spaces apart, indented by two.
std::string table(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += line;
    out += '\n';
  }
  return out;
}

std::string bound(const Listener& listener, std::uint16_t port) {
  return to_string(HostPort{listener.bind_address, port});
}

// The listener's local ports as ranges: "6969-6971,7000".
std::string local_ranges(const Listener& listener) {
  std::vector<std::uint16_t> ports;
  for (const config::Port& port : listener.ports) ports.push_back(port.local);
  std::sort(ports.begin(), ports.end());
  std::string out;
  for (std::size_t i = 0; i < ports.size();) {
    std::size_t end = i;
    while (end + 1 < ports.size() && ports[end + 1] == ports[end] + 1) ++end;
    if (!out.empty()) out += ',';
    out += std::to_string(ports[i]);
    if (end > i) out.append("-").append(std::to_string(ports[end]));
    i = end + 1;
  }
  return out;
}

std::string listener_text(const Listener& listener) {
  std::string out = "Listener ";
  out.append(listener.name).append(": ").append(config::name_of(listener.security_protocol));
  out.append(", bound to ").append(listener.bind_address).append(", ports ").append(local_ranges(listener));
  out.append("\n  clients bootstrap at ");
  out.append(to_string(HostPort{listener.advertised_host, listener.ports.front().advertised})).append("\n");
  if (listener.ids.empty()) {
    out.append("  port of a broker: ports[(id - ").append(std::to_string(listener.min_broker_id));
    out.append(") mod ").append(std::to_string(listener.ports.size())).append("]\n");
  } else {
    out.append("  port of a broker: the listed ids in order, one port each; other brokers have none\n");
  }
  Rows rows{{"BIND", "ADVERTISED", "BROKER IDS"}};
  for (std::size_t i = 0; i < listener.ports.size(); ++i) {
    const config::Port port = listener.ports[i];
    rows.push_back({bound(listener, port.local),
                    to_string(HostPort{listener.advertised_host, port.advertised}),
                    config::ids_of_port(listener, i)});
  }
  return out + table(rows);
}

std::string firewall_text(const Config& config) {
  Rows rows{{"DIRECTION", "FROM", "TO", "TCP PORTS"}};
  for (const Cluster& cluster : config.clusters) {
    for (const Listener& listener : cluster.listeners) {
      rows.push_back({"in", "clients", listener.bind_address, local_ranges(listener)});
    }
    for (const HostPort& server : cluster.upstream.bootstrap_servers) {
      rows.push_back({"out", "kferry", server.host, std::to_string(server.port)});
    }
    rows.push_back({"out", "kferry", "every broker of cluster " + cluster.name, "as the brokers advertise"});
  }
  return "Firewall\n" + table(rows);
}

std::string names_text(const Config& config) {
  std::set<std::string> advertised;
  std::set<std::string> upstream;
  const auto add = [](std::set<std::string>& names, const std::string& host) {
    if (!SocketAddress::parse(host, 0)) names.insert(host);
  };
  for (const Cluster& cluster : config.clusters) {
    for (const Listener& listener : cluster.listeners) add(advertised, listener.advertised_host);
    for (const HostPort& server : cluster.upstream.bootstrap_servers) add(upstream, server.host);
  }
  Rows rows{{"NAME", "RESOLVED BY", "TO"}};
  for (const std::string& name : advertised)
    rows.push_back({name, "clients", "this kferry, or the balancer before it"});
  for (const std::string& name : upstream) rows.push_back({name, "kferry", "the broker"});
  return rows.size() == 1 ? std::string("DNS\n  no names: addresses only\n") : "DNS\n" + table(rows);
}

}  // namespace

std::string plan_text(const Config& config) {
  std::string out;
  for (const Cluster& cluster : config.clusters) {
    out.append("Cluster ").append(cluster.name).append("\n  upstream: ");
    out.append(config::name_of(cluster.upstream.security_protocol)).append(", bootstrap servers");
    for (const HostPort& server : cluster.upstream.bootstrap_servers)
      out.append(" ").append(to_string(server));
    out.append("\n  discovery: ");
    if (cluster.upstream.sasl) {
      out.append("kferry's own, by ")
          .append(cluster.upstream.sasl->mechanism)
          .append(" (credentials configured)\n");
    } else if (config::uses_sasl(cluster.upstream.security_protocol)) {
      out.append("from clients' connections alone: no credentials are configured\n");
    } else {
      out.append("kferry's own, no credentials needed\n");
    }
    for (const Listener& listener : cluster.listeners) out.append("\n").append(listener_text(listener));
    out.append("\n");
  }
  return out + firewall_text(config) + "\n" + names_text(config) +
         "\nHTTP (health, metrics): not in this build; " +
         to_string(HostPort{config.operations.bind_host, config.operations.port}) + " is kept for it\n";
}

}  // namespace kferry::cli
