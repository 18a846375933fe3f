#include "cli/dial_check.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/broker_look.h"
#include "cli/dial_guard.h"
#include "cli/parallel.h"
#include "cli/problems.h"
#include "cli/server_lists.h"
#include "cli/style.h"
#include "config/port_advice.h"
#include "config/ports.h"
#include "config/security_protocol.h"
#include "proxy/broker_list.h"

namespace kferry::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view client_id = "kferry-check";
// A list of brokers may be wrong in any number of ways; a person reads so many.
constexpr std::size_t errors_shown_max = 1000;
constexpr std::string_view out_of_time = "not dialled: the time limit was reached: raise --time-limit";

std::string milliseconds(Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) + " ms";
}

std::string told(const BrokerLook& look) {
  return "connected in " + milliseconds(look.connect_time) + (look.tls.empty() ? "" : ", " + look.tls) +
         ", ApiVersions in " + milliseconds(look.answer_time) + ", " + counted(look.apis, "API");
}

// An error per kind of finding ends the command with another status; a warning does not.
class Findings {
 public:
  bool well() const { return well_; }
  void line(const std::string& text) const { std::printf("  %s\n", without_controls(text).c_str()); }
  void error(const std::string& text) {
    well_ = false;
    if (++errors_ <= errors_shown_max) tell("error", Colour::red, text);
  }
  // Says how many errors were not shown.
  void end() const {
    if (errors_ > errors_shown_max)
      tell("error", Colour::red, "and " + std::to_string(errors_ - errors_shown_max) + " more errors");
  }
  void warning(const std::string& text) const { tell("warning", Colour::yellow, text); }

 private:
  void tell(const char* what, Colour colour, const std::string& text) const {
    std::printf("%s: %s\n", paint(colours_, colour, what).c_str(), without_controls(text).c_str());
  }

  const bool colours_ = colours_wanted(stdout);
  bool well_ = true;
  std::size_t errors_ = 0;
};

// One name, and what its addresses have said.
struct Target {
  std::string title;
  HostPort name;
  net::Answer answer{};
  std::string wrong{};  // why nothing is dialled here
  std::vector<std::size_t> visits{};
};

struct Visit {
  std::size_t target = 0;
  SocketAddress address;
  std::string refusal;  // why it is not dialled; empty: it is
  BrokerLook look{};
};

class ClusterDial {
 public:
  ClusterDial(const config::Config& config, std::size_t cluster, DialGuard& guard, net::Resolver& resolver,
              Findings& findings, Clock::time_point until)
      : config_(config),
        cluster_(config.clusters[cluster]),
        index_(cluster),
        guard_(guard),
        resolver_(resolver),
        findings_(findings),
        until_(until) {}

  void run(std::shared_ptr<const tls::ClientContext> context) {
    std::printf("\nDialling cluster %s\n", cluster_.name.c_str());
    options_ = {client_id, std::chrono::milliseconds(config_.limits.upstream_connect_timeout_ms), until_,
                std::move(context)};
    const std::vector<ServerList> lists = ask_servers();
    if (lists.empty()) return;
    const ListFindings found = compare_lists(cluster_, lists);
    std::vector<NodeId> nodes;
    for (const ListedBroker& one : found.brokers)
      if (one.cluster_id == found.cluster_id) nodes.push_back(one.broker.id);
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    findings_.line("cluster id " + (found.cluster_id.empty() ? "(none)" : found.cluster_id) + ", " +
                   (nodes.empty() ? "no brokers" : counted(nodes.size(), "broker")));
    for (const std::string& text : found.errors) findings_.error(text);
    for (const std::string& text : found.warnings) findings_.warning(text);
    dial_brokers(found);
    for (const config::Listener& listener : cluster_.listeners) tell_ports(listener, found, nodes);
  }

 private:
  bool out_of_time() const { return Clock::now() >= until_; }

  void resolve(std::vector<Target>& targets, const std::string& what) {
    in_parallel(targets.size(), what, [&](std::size_t i) {
      Target& target = targets[i];
      if (!target.wrong.empty()) return;
      if (out_of_time()) {
        target.wrong = out_of_time_text();
      } else {
        target.answer = net::resolve_and_wait(resolver_, target.name);
      }
    });
  }
  static std::string out_of_time_text() { return std::string(cli::out_of_time); }

  void look(std::vector<Visit>& visits, const std::vector<Target>& targets, const std::string& what) {
    in_parallel(visits.size(), what, [&](std::size_t i) {
      Visit& visit = visits[i];
      if (!visit.refusal.empty()) return;
      if (out_of_time()) {
        visit.look.failure = out_of_time_text();
      } else {
        visit.look = look_at(visit.address, targets[visit.target].name, options_);
      }
    });
  }

  // --- the bootstrap servers

  std::vector<ServerList> ask_servers() {
    std::vector<Target> servers;
    for (const HostPort& server : cluster_.upstream.bootstrap_servers)
      servers.push_back({to_string(server), server});
    resolve(servers, "Resolving the bootstrap servers of " + cluster_.name);
    std::vector<Visit> visits;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      guard_.note_bootstrap(index_, servers[i].answer.addresses);
      for (const SocketAddress& address : servers[i].answer.addresses) {
        servers[i].visits.push_back(visits.size());
        visits.push_back({i, address, guard_.why_not(index_, address)});
      }
    }
    const bool sasl = config::uses_sasl(cluster_.upstream.security_protocol);
    options_.asks_metadata = !sasl || cluster_.upstream.sasl;
    options_.sasl = sasl && cluster_.upstream.sasl ? &*cluster_.upstream.sasl : nullptr;
    look(visits, servers, "Asking the bootstrap servers of " + cluster_.name);
    options_.asks_metadata = false;

    std::vector<ServerList> lists;
    bool reached = false;
    for (const Target& server : servers) {
      if (server.visits.empty()) {
        findings_.error(server.title + (server.wrong.empty() ? " cannot be resolved: " + server.answer.error +
                                                                   ": correct the name, or this host's DNS"
                                                             : ": " + server.wrong));
      }
      for (const std::size_t i : server.visits) reached = tell_server(server, visits[i], lists) || reached;
    }
    if (!reached) {
      findings_.error("no bootstrap server of cluster " + cluster_.name +
                      " answers: kferry could reach no broker");
    } else if (sasl && !cluster_.upstream.sasl) {
      findings_.line(
          "the brokers require SASL, and no credentials are configured: which cluster the servers belong to "
          "and "
          "which brokers it has was not asked, so that no broker was dialled; kferry learns them from its "
          "clients "
          "at run time");
    }
    return lists;
  }

  // True where it has answered.
  bool tell_server(const Target& server, Visit& visit, std::vector<ServerList>& lists) {
    const std::string title =
        server.title + (server.name.host == visit.address.host_text() ? "" : " at " + visit.address.text());
    if (!visit.refusal.empty()) {
      findings_.error(title + " " + visit.refusal +
                      ": kferry would dial itself: name the brokers' own addresses");
      return false;
    }
    BrokerLook& look = visit.look;
    if (!look.failure.empty()) {
      findings_.error(title + ": " + look.failure);
      return false;
    }
    std::string text = title + ": " + told(look);
    if (look.metadata) {
      text +=
          ", cluster id " + look.metadata->cluster_id.value_or("(none)") + ", " +
          (look.metadata->brokers.empty() ? "no brokers" : counted(look.metadata->brokers.size(), "broker"));
      // A server with one address is known by its name.
      lists.push_back({server.visits.size() == 1 ? server.title : title, std::move(*look.metadata)});
    }
    findings_.line(text);
    if (!look.metadata_failure.empty()) {
      findings_.error(title + (options_.sasl != nullptr ? ": SASL or Metadata: " : ": Metadata: ") +
                      look.metadata_failure + ": is the upstream's security_protocol right?");
    }
    if (!cluster_.upstream.tls && guard_.advertised_at(visit.address)) {
      findings_.warning(title +
                        " is where clients are told to find kferry: if what answers there is kferry itself, "
                        "through a balancer, each dial comes back to it: name the brokers' own addresses");
    }
    return true;
  }

  // --- the brokers that they list

  // Empty: `where` is a place that can be dialled.
  std::string wrong_place(const HostPort& where) const {
    if (where.host.empty() || where.host.size() > proxy::host_size_max || where.port < 1 ||
        where.port > 65535)
      return "this is not an address that can be dialled";
    if (guard_.advertised(where)) return own_place();
    return {};
  }
  static std::string own_place() {
    return std::string(proxy::own_advertised) +
           ": a dial would come back to kferry again and again, so it is never made";
  }

  void dial_brokers(const ListFindings& found) {
    constexpr std::string_view remedy = ": correct the broker's advertised.listeners";
    std::vector<Target> brokers;
    const bool one_cluster = std::ranges::all_of(
        found.brokers, [&](const auto& one) { return one.cluster_id == found.cluster_id; });
    for (const ListedBroker& one : found.brokers) {
      const kafka::AdvertisedBroker& broker = one.broker;
      brokers.push_back({"broker " + std::to_string(number(broker.id)) + " (" + to_string(broker.where) +
                             ")" + (one_cluster ? "" : " of cluster id " + one.cluster_id),
                         proxy::canonical(broker.where.host, broker.where.port)});
      if (const std::string wrong = wrong_place(brokers.back().name); !wrong.empty())
        brokers.back().wrong = wrong + std::string(remedy);
    }
    resolve(brokers, "Resolving the brokers of " + cluster_.name);
    std::vector<Visit> visits;
    for (std::size_t i = 0; i < brokers.size(); ++i) {
      Target& broker = brokers[i];
      for (const SocketAddress& address : broker.answer.addresses) {
        std::string refusal = guard_.why_not(index_, address, broker.name);
        if (refusal == proxy::own_advertised) refusal = own_place();
        broker.visits.push_back(visits.size());
        visits.push_back({i, address, std::move(refusal)});
      }
    }
    look(visits, brokers, "Dialling the brokers of " + cluster_.name);
    for (const Target& broker : brokers) {
      if (broker.visits.empty()) {
        findings_.error(
            broker.title + ": " +
            (broker.wrong.empty()
                 ? "its name cannot be resolved here: " + broker.answer.error +
                       ": kferry dials brokers where they say they are: correct this host's DNS, or the "
                       "broker's advertised.listeners"
                 : broker.wrong));
      }
      for (const std::size_t i : broker.visits) {
        const Visit& visit = visits[i];
        const bool literal = broker.name.host == visit.address.host_text();
        const std::string title = broker.title + (literal ? "" : " at " + visit.address.text());
        if (!visit.refusal.empty()) {
          findings_.error(title + ": " + (literal ? "" : "the address ") + visit.refusal +
                          std::string(remedy));
        } else if (!visit.look.failure.empty()) {
          findings_.error(title + ": " + visit.look.failure);
        } else {
          findings_.line(title + ": " + told(visit.look));
        }
      }
    }
  }

  // --- the listeners

  void tell_ports(const config::Listener& listener, const ListFindings& found,
                  const std::vector<NodeId>& nodes) {
    if (listener.sni) return tell_names(listener, found);
    const config::PortMap map = config::map_ports(listener, nodes);
    std::string advice;  // a search, so made once
    for (const ListedBroker& one : found.brokers) {
      if (one.cluster_id != found.cluster_id) continue;
      const kafka::AdvertisedBroker& broker = one.broker;
      const auto index = config::port_index(listener, broker.id);
      const std::string name =
          "broker " + std::to_string(number(broker.id)) + " (" + to_string(broker.where) + ")";
      if (!index) {
        findings_.error(name + " has no port on listener " + listener.name +
                        ": add its id to ids, and a port");
      } else if (map.ports[*index].nodes.front() != broker.id) {
        if (advice.empty()) advice = config::port_advice(listener, nodes);
        findings_.error(name + " falls on the port of broker " +
                        std::to_string(number(map.ports[*index].nodes.front())) + " on listener " +
                        listener.name + ": " + advice);
      } else {
        const HostPort place{listener.advertised_host, listener.ports[*index].advertised};
        findings_.line(name + " -> " + to_string(place) + " (listener " + listener.name + ")");
      }
    }
  }

  // Every broker has a name: nothing can clash, but clients must be able to resolve each.
  void tell_names(const config::Listener& listener, const ListFindings& found) {
    std::vector<Target> names;
    for (const ListedBroker& one : found.brokers) {
      if (one.cluster_id != found.cluster_id) continue;
      const kafka::AdvertisedBroker& broker = one.broker;
      const HostPort place{listener.sni->host_of(broker.id), listener.ports.front().advertised};
      findings_.line("broker " + std::to_string(number(broker.id)) + " (" + to_string(broker.where) +
                     ") -> " + to_string(place) + " (listener " + listener.name + ")");
      names.push_back({place.host, place});
    }
    resolve(names, "Resolving the names of listener " + listener.name);
    std::fflush(stdout);
    std::vector<config::Problem> warnings;
    for (const Target& name : names)
      if (name.answer.addresses.empty())
        warnings.push_back(unresolved_name(listener, name.title, name.answer.error + name.wrong));
    print_problems(warnings);
  }

  const config::Config& config_;
  const config::Cluster& cluster_;
  const std::size_t index_;
  DialGuard& guard_;
  net::Resolver& resolver_;
  Findings& findings_;
  const Clock::time_point until_;
  LookOptions options_;
};

}  // namespace

bool dial_check(const config::Config& config, const certificates::TlsContexts& tls, net::Resolver& resolver,
                std::chrono::seconds limit) {
  const Clock::time_point until = Clock::now() + limit;
  DialGuard guard(config, resolver);
  Findings findings;
  for (std::size_t i = 0; i < config.clusters.size(); ++i) {
    auto context = proxy::upstream_context(config.clusters[i], tls.snapshot().get());
    if (!context) {
      findings.error("cluster " + config.clusters[i].name + ": " + context.error());
      continue;
    }
    ClusterDial(config, i, guard, resolver, findings, until).run(std::move(*context));
  }
  findings.end();
  return findings.well();
}

}  // namespace kferry::cli
