#include "proxy/place.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

config::Listener by_port() {
  config::Listener made;
  made.name = "ports";
  made.advertised_host = "gateway.example.com";
  made.ports = {{6969, 6969}, {6970, 6970}};
  return made;
}

config::Listener by_name(const std::string& domain) {
  config::Listener made;
  made.name = "names";
  made.routing = config::Routing::sni;
  made.sni = config::SniNames{"b", "." + domain, "boot." + domain};
  made.advertised_host = made.sni->bootstrap;
  made.ports = {{9092, 9092}};
  return made;
}

// A cluster by ports, and two by names on one socket. No certificate has been read.
struct Fixture {
  Fixture() {
    config::Config config;
    config.clusters.resize(3);
    config.clusters[0].name = "ports";
    config.clusters[0].listeners = {by_port()};
    config.clusters[1].name = "orders";
    config.clusters[1].listeners = {by_name("orders.example")};
    config.clusters[2].name = "logs";
    config.clusters[2].listeners = {by_name("logs.example")};
    auto live = std::make_shared<LivePlan>();
    live->plan = Plan::make(std::move(config));
    for (const ClusterPlan& cluster : live->plan->clusters()) {
      live->clusters.push_back(std::make_shared<ClusterState>(cluster.config.name, null_log_sink()));
      known.push_back(std::make_shared<KnownCluster>(live->clusters.back()));
    }
    view = std::make_shared<PlanView>(std::move(live), known, counters);
  }
  Place at(std::uint16_t port) const {
    const std::vector<PortEntry>& ports = view->plan().ports();
    return {view, *std::ranges::find(ports, port, [](const PortEntry& one) { return one.address.port(); })};
  }
  void learn(std::size_t cluster, std::int32_t ids) {
    kafka::BrokerList list;
    list.source = kafka::metadata_key;
    list.full = true;
    const std::vector<std::string> hosts{"k0", "k1", "k2"};
    std::vector<kafka::BrokerEntry> brokers;
    for (std::int32_t i = 0; i < ids; ++i)
      brokers.push_back({NodeId{i}, hosts[static_cast<std::size_t>(i)], 9092});
    list.brokers = brokers;
    Origin origin;
    known[cluster]->state->topology.learn(list, origin, {}, Instant{std::chrono::seconds(1000)});
    REQUIRE(known[cluster]->refresh());
    view->on_refreshed(*known[cluster]);
  }
  std::vector<std::shared_ptr<KnownCluster>> known;
  WorkerCounters counters;
  std::shared_ptr<PlanView> view;
};

TEST_CASE("a port leads to its broker as soon as that is known") {
  Fixture f;
  const Place place = f.at(6970);
  CHECK(place.owner() == std::nullopt);
  CHECK(!place.any_broker());
  CHECK(place.text() == "port 6970");
  f.learn(0, 2);
  CHECK(place.owner() == NodeId{1});
  CHECK(place.leads_to(NodeId{1}));
  CHECK(!place.leads_to(NodeId{0}));
  CHECK(!place.leads_to(std::nullopt));
}

TEST_CASE("a server name leads to the cluster and the broker that it names") {
  Fixture f;
  Place place = f.at(9092);
  CHECK(place.choose("b1.logs.example").refusal.has_value());  // its certificate is missing
  CHECK(place.cluster().name == "logs");
  CHECK(place.text() == "b1.logs.example");
  CHECK(place.owner() == std::nullopt);
  f.learn(2, 2);
  CHECK(place.owner() == NodeId{1});
  CHECK(!place.leads_to(NodeId{0}));
}

TEST_CASE("at the bootstrap name any known broker will do") {
  Fixture f;
  Place place = f.at(9092);
  place.choose("boot.orders.example");
  f.learn(1, 2);
  CHECK(place.cluster().name == "orders");
  CHECK(place.any_broker());
  CHECK(place.owner() == std::nullopt);
  CHECK(place.leads_to(NodeId{0}));
  CHECK(!place.leads_to(std::nullopt));
}

TEST_CASE("a name of no listener here has no certificate, and leads nowhere") {
  Fixture f;
  Place place = f.at(9092);
  const auto chosen = place.choose("b1.elsewhere.example");
  CHECK(chosen.context == nullptr);
  CHECK(!chosen.refusal);
  CHECK(place.owner() == std::nullopt);
}

}  // namespace
}  // namespace kferry::proxy
