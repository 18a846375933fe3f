#include "cli/plan.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/socket_address.h"
#include "cli/certificates.h"
#include "cli/table.h"
#include "config/ports.h"
#include "config/security_protocol.h"

namespace kferry::cli {
namespace {

using config::Cluster;
using config::Config;
using config::Listener;

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

std::string versions(const config::TlsOffer& offer) {
  if (offer.lowest != offer.highest) return "TLS 1.2 and 1.3";
  return offer.lowest == config::TlsVersion::tls_1_2 ? "TLS 1.2 alone" : "TLS 1.3 alone";
}

std::string tls_text(const config::ListenerTls& tls) {
  std::string out = versions(tls.offer) + ", client certificates: ";
  if (tls.client_auth == config::ClientAuth::none) return out + "none asked for";
  out.append(tls.client_auth == config::ClientAuth::require ? "required" : "optional");
  if (tls.revocations) out.append(", revocations looked up");
  if (!tls.required_subjects.empty()) {
    out.append(", subjects that match ");
    for (std::size_t i = 0; i < tls.required_subjects.size(); ++i)
      out.append(i == 0 ? "" : " or ").append(tls.required_subjects[i]);
  }
  return out;
}

std::string tls_text(const config::UpstreamTls& tls) {
  std::string out = versions(tls.offer) + ", authorities: ";
  out.append(tls.authorities ? tls.authorities->path.empty() ? tls.authorities->where : tls.authorities->path
                             : std::string("the system's"));
  out.append(tls.verify_host_name ? ", host names verified" : ", host names NOT verified");
  if (tls.revocations) out.append(", revocations looked up");
  return out;
}

std::string sni_text(const Listener& listener) {
  const config::Port port = listener.ports.front();
  return table({{"BIND", "SERVER NAME", "BROKER"},
                {bound(listener, port.local), to_string(HostPort{listener.sni->bootstrap, port.advertised}),
                 "any, to begin with"},
                {bound(listener, port.local), to_string(HostPort{listener.sni->pattern(), port.advertised}),
                 "the one of that id"}});
}

std::string listener_text(const Listener& listener) {
  std::string out = "Listener ";
  out.append(listener.name).append(": ").append(config::name_of(listener.security_protocol));
  out.append(", bound to ").append(listener.bind_address).append(", ports ").append(local_ranges(listener));
  out.append("\n  clients bootstrap at ");
  out.append(to_string(HostPort{listener.advertised_host, listener.ports.front().advertised})).append("\n");
  if (listener.tls) out.append("  ").append(tls_text(*listener.tls)).append("\n");
  if (listener.sni) return out + sni_text(listener);
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
      std::vector<std::string> row{"in", "clients", listener.bind_address, local_ranges(listener)};
      // Listeners may share a socket.
      if (std::ranges::find(rows, row) == rows.end()) rows.push_back(std::move(row));
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
    for (const Listener& listener : cluster.listeners) {
      add(advertised, listener.advertised_host);
      if (listener.sni) advertised.insert(listener.sni->pattern());
    }
    for (const HostPort& server : cluster.upstream.bootstrap_servers) add(upstream, server.host);
  }
  Rows rows{{"NAME", "RESOLVED BY", "TO"}};
  for (const std::string& name : advertised)
    rows.push_back({name, "clients", "this kferry, or the balancer before it"});
  for (const std::string& name : upstream) rows.push_back({name, "kferry", "the broker"});
  return rows.size() == 1 ? std::string("DNS\n  no names: addresses only\n") : "DNS\n" + table(rows);
}

std::string http_text(const config::Operations& operations) {
  Rows rows{{"ADDRESS", "SERVES"}};
  rows.push_back({to_string(HostPort{operations.bind_host, operations.port}), "health and metrics"});
  const auto add = [&](const std::optional<HostPort>& bind, const char* paths) {
    if (bind)
      rows.push_back(
          {to_string(HostPort{bind->host, bind->port == 0 ? operations.port : bind->port}), paths});
  };
  add(operations.metrics_bind, "/metrics alone");
  add(operations.health_bind, "health alone");
  return "HTTP\n" + table(rows);
}

}  // namespace

std::string plan_text(const Config& config, std::span<const certificates::OwnCertificate> certificates) {
  std::string out;
  for (const Cluster& cluster : config.clusters) {
    out.append("Cluster ").append(cluster.name).append("\n  upstream: ");
    out.append(config::name_of(cluster.upstream.security_protocol)).append(", bootstrap servers");
    for (const HostPort& server : cluster.upstream.bootstrap_servers)
      out.append(" ").append(to_string(server));
    if (cluster.upstream.tls) out.append("\n  ").append(tls_text(*cluster.upstream.tls));
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
  if (!certificates.empty()) out.append(certificates_text(certificates)).append("\n");
  return out + firewall_text(config) + "\n" + names_text(config) + "\n" + http_text(config.operations);
}

}  // namespace kferry::cli
