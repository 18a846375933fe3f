// `kferry check`: everything wrong with the configuration at once, else the plan; with --dial each bootstrap
// server resolved, connected and asked.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <ifaddrs.h>

#include "base/counted.h"
#include "base/printable.h"
#include "certificates/tls_contexts.h"
#include "cli/certificates.h"
#include "cli/commands.h"
#include "cli/plan.h"
#include "cli/probe.h"
#include "cli/problems.h"
#include "cli/style.h"
#include "config/load.h"
#include "config/port_advice.h"
#include "config/ports.h"
#include "config/security_protocol.h"
#include "net/cares_resolver.h"

namespace kferry::cli {
namespace {

constexpr Duration name_timeout = std::chrono::seconds(3);

std::string milliseconds(Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) + " ms";
}

std::vector<SocketAddress> own_addresses() {
  std::vector<SocketAddress> own;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return own;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_INET) own.emplace_back(entry->ifa_addr, sizeof(sockaddr_in));
    if (family == AF_INET6) own.emplace_back(entry->ifa_addr, sizeof(sockaddr_in6));
  }
  freeifaddrs(list);
  return own;
}

// The listener that a connection to this address would reach, if it is one of ours.
const config::Listener* ours(const config::Config& config, const SocketAddress& address) {
  static const std::vector<SocketAddress> own = own_addresses();
  const bool local =
      address.is_loopback() || std::any_of(own.begin(), own.end(), [&](const SocketAddress& mine) {
        return mine.host_text() == address.host_text();
      });
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      const auto bind = SocketAddress::parse(listener.bind_address, 0);
      if (!bind || !(bind->is_wildcard() ? local : bind->host_text() == address.host_text())) continue;
      for (const config::Port& port : listener.ports) {
        if (port.local == address.port()) return &listener;
      }
    }
  }
  return nullptr;
}

// Clients may have other DNS than this host: a warning, never an error.
config::Problem unresolved(const config::Listener& listener, const std::string& host,
                           const std::string& why) {
  return {"listener " + listener.name, "advertised host " + host + " cannot be resolved here (" + why + ")",
          "make sure that clients can resolve it", true};
}

class Dial {
 public:
  Dial(const config::Config& config, std::shared_ptr<const certificates::TlsSnapshot> tls,
       net::Resolver& resolver)
      : config_(config), tls_(std::move(tls)), resolver_(resolver) {}

  // False when something cannot work.
  bool run() {
    for (const config::Cluster& cluster : config_.clusters) {
      context_ = tls_->upstream(cluster.name).context;
      std::printf("\nDialling cluster %s\n", cluster.name.c_str());
      std::optional<kafka::MetadataAnswer> metadata;
      bool reached = false;
      for (const HostPort& server : cluster.upstream.bootstrap_servers)
        reached = server_works(cluster, server, metadata) || reached;
      if (!reached) {
        error("no bootstrap server of cluster " + cluster.name + " answers: kferry could reach no broker");
      }
      if (metadata) brokers(cluster, *metadata);
    }
    return well_;
  }

 private:
  void error(const std::string& text) {
    well_ = false;
    std::printf("  %s: %s\n", paint(colours_, Colour::red, "error").c_str(), without_controls(text).c_str());
  }

  bool server_works(const config::Cluster& cluster, const HostPort& server,
                    std::optional<kafka::MetadataAnswer>& metadata) {
    const net::Answer answer = net::resolve_and_wait(resolver_, server);
    if (answer.addresses.empty()) {
      error(to_string(server) + " cannot be resolved: " + answer.error +
            ": correct the name, or this host's DNS");
      return false;
    }
    const bool sasl = config::uses_sasl(cluster.upstream.security_protocol);
    bool reached = false;
    for (const SocketAddress& address : answer.addresses) {
      if (const config::Listener* listener = ours(config_, address)) {
        error(to_string(server) + " resolves to " + address.text() + ", which is listener " + listener->name +
              " itself: kferry would dial itself: name the brokers' own addresses");
        continue;
      }
      const HostPort where{address.host_text(), address.port()};
      const Duration timeout = std::chrono::milliseconds(config_.limits.upstream_connect_timeout_ms);
      ProbeFinding found = probe_broker(resolver_, where, timeout, !sasl && !metadata, context_, server.host);
      if (!found.bootstrap.failure.empty()) {
        error(to_string(server) + " at " + address.text() + ": " + found.bootstrap.failure);
        continue;
      }
      reached = true;
      const std::string tls = found.bootstrap.tls.empty() ? std::string() : found.bootstrap.tls + ", ";
      std::printf("  %s at %s: connected in %s, %sApiVersions in %s, %s\n", to_string(server).c_str(),
                  address.text().c_str(), milliseconds(found.bootstrap.connect_time).c_str(), tls.c_str(),
                  milliseconds(found.bootstrap.answer_time).c_str(),
                  counted(found.bootstrap.apis, "API").c_str());
      if (found.metadata) metadata = std::move(found.metadata);
      if (!found.metadata_failure.empty()) {
        error(to_string(server) + ": Metadata: " + found.metadata_failure +
              ": is the upstream's security_protocol right?");
      }
    }
    if (sasl && reached && !told_sasl_) {
      told_sasl_ = true;
      std::printf("  the brokers require SASL: their list is learnt at run time\n");
    }
    return reached;
  }

  void brokers(const config::Cluster& cluster, const kafka::MetadataAnswer& metadata) {
    std::printf("  cluster id %s, %s\n", without_controls(metadata.cluster_id.value_or("(none)")).c_str(),
                counted(metadata.brokers.size(), "broker").c_str());
    std::vector<NodeId> nodes;
    for (const kafka::AdvertisedBroker& broker : metadata.brokers) nodes.push_back(broker.id);
    for (const config::Listener& listener : cluster.listeners) {
      if (listener.sni) {
        names(listener, metadata);
        continue;
      }
      const config::PortMap map = config::map_ports(listener, nodes);
      for (const kafka::AdvertisedBroker& broker : metadata.brokers) {
        const auto index = config::port_index(listener, broker.id);
        const std::string name =
            "broker " + std::to_string(number(broker.id)) + " (" + to_string(broker.where) + ")";
        if (!index) {
          error(name + " has no port on listener " + listener.name + ": add its id to ids, and a port");
        } else if (map.ports[*index].nodes.front() != broker.id) {
          error(name + " falls on the port of broker " +
                std::to_string(number(map.ports[*index].nodes.front())) + " on listener " + listener.name +
                ": " + config::port_advice(listener, nodes));
        } else {
          const HostPort told{listener.advertised_host, listener.ports[*index].advertised};
          std::printf("  %s -> %s (listener %s)\n", without_controls(name).c_str(), to_string(told).c_str(),
                      listener.name.c_str());
        }
      }
    }
  }

  // Every broker has a name: nothing can clash, but clients must be able to resolve each.
  void names(const config::Listener& listener, const kafka::MetadataAnswer& metadata) {
    std::vector<config::Problem> warnings;
    for (const kafka::AdvertisedBroker& broker : metadata.brokers) {
      const HostPort told{listener.sni->host_of(broker.id), listener.ports.front().advertised};
      std::printf("  broker %d (%s) -> %s (listener %s)\n", number(broker.id),
                  without_controls(to_string(broker.where)).c_str(), to_string(told).c_str(),
                  listener.name.c_str());
      const net::Answer answer = net::resolve_and_wait(resolver_, told);
      if (answer.addresses.empty()) warnings.push_back(unresolved(listener, told.host, answer.error));
    }
    std::fflush(stdout);
    print_problems(warnings);
  }

  const config::Config& config_;
  std::shared_ptr<const certificates::TlsSnapshot> tls_;
  std::shared_ptr<const tls::ClientContext> context_;  // of the cluster being dialled; null: no TLS
  net::Resolver& resolver_;
  bool colours_ = colours_wanted(stdout);
  bool told_sasl_ = false;
  bool well_ = true;
};

// Before 0.2 a rule was matched against the whole subject's text, where a star could run across attributes.
std::vector<config::Problem> subject_rule_warnings(const config::Config& config) {
  std::vector<config::Problem> warnings;
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      if (!listener.tls) continue;
      for (const std::string& rule : listener.tls->required_subjects) {
        if (rule.find('*') == std::string::npos) continue;
        std::string what = "the subject rule \"";
        what.append(rule).append(
            "\" is matched attribute by attribute since version 0.2: its stars no longer run "
            "across attributes");
        warnings.push_back({"listener " + listener.name + " of cluster " + cluster.name, std::move(what),
                            "name every attribute that the subjects have", true});
      }
    }
  }
  return warnings;
}

void warn_of_names(const config::Config& config, net::Resolver& resolver) {
  std::set<std::string> seen;
  std::vector<config::Problem> warnings;
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      if (!seen.insert(listener.advertised_host).second) continue;
      const net::Answer answer =
          net::resolve_and_wait(resolver, {listener.advertised_host, listener.ports.front().advertised});
      if (answer.addresses.empty())
        warnings.push_back(unresolved(listener, listener.advertised_host, answer.error));
    }
  }
  print_problems(warnings);
}

}  // namespace

int check(const CheckOptions& options) {
  const auto loaded = load_or_explain(options.config_path);
  if (!loaded) return exit_configuration;
  certificates::TlsContexts contexts(std::make_shared<const config::Config>(loaded->config), null_log_sink(),
                                     Instant{});
  const std::vector<config::Problem> found = contexts.load();
  print_problems(found);
  if (const auto errors = std::ranges::count_if(found, [](const auto& one) { return !one.warning; });
      errors > 0) {
    print_problems(loaded->warnings);
    print_count(static_cast<std::size_t>(errors));
    return exit_configuration;
  }
  print_problems(subject_rule_warnings(loaded->config));
  print_problems(loaded->warnings);
  const std::vector<certificates::OwnCertificate> certificates = contexts.certificates();
  print_problems(certificate_warnings(loaded->config, certificates, std::time(nullptr)));
  std::fputs(plan_text(loaded->config, certificates).c_str(), stdout);
  std::fflush(stdout);
  auto resolver = net::start_cares_resolver({.timeout = name_timeout});
  if (!resolver) {
    std::fprintf(stderr, "kferry check: %s\n", resolver.error().c_str());
    return exit_failure;
  }
  warn_of_names(loaded->config, **resolver);
  if (options.dial && !Dial(loaded->config, contexts.snapshot(), **resolver).run()) return exit_failure;
  return exit_well;
}

}  // namespace kferry::cli
