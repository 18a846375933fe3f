#include "proxy/plan.h"

#include <doctest/doctest.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kferry::proxy {
namespace {

config::Listener named(const std::string& name, const std::string& domain, std::uint16_t local) {
  config::Listener made;
  made.name = name;
  made.routing = config::Routing::sni;
  made.sni = config::SniNames{"b", "." + domain, "boot." + domain};
  made.advertised_host = made.sni->bootstrap;
  made.ports = {{9092, local}};
  return made;
}

// Two clusters with a listener each on one socket, and a third listener elsewhere.
config::Config two_clusters() {
  config::Config config;
  config.clusters.resize(2);
  config.clusters[0].name = "orders";
  config.clusters[0].listeners = {named("inside", "elsewhere.example", 7000),
                                  named("outside", "orders.example", 9092)};
  config.clusters[1].name = "logs";
  config.clusters[1].listeners = {named("outside", "logs.example", 9092)};
  return config;
}

TEST_CASE("listeners that route by SNI on one address share a socket, and names tell them apart") {
  const Plan plan(two_clusters());
  REQUIRE(plan.ports().size() == 2);
  const PortEntry& shared = plan.ports().at(1);
  CHECK(shared.address.port() == 9092);
  CHECK(shared.sharing.size() == 1);

  const auto orders = plan.find(shared, "b7.orders.example");
  REQUIRE(orders.has_value());
  CHECK(orders->port == &shared);
  CHECK(orders->node == NodeId{7});
  const auto logs = plan.find(shared, "b7.logs.example");
  REQUIRE(logs.has_value());
  CHECK(logs->port->cluster == 1);
  CHECK(logs->port->listener_index == 2);
  const auto bootstrap = plan.find(shared, "boot.logs.example");
  REQUIRE(bootstrap.has_value());
  CHECK_FALSE(bootstrap->node.has_value());

  // Names of another socket are unknown here.
  for (const char* name : {"", "b7", "b7.elsewhere.example", "orders.example", "b07.logs.example"})
    CHECK_FALSE(plan.find(shared, name).has_value());
  CHECK(plan.names_text(shared) ==
        "boot.orders.example, b{{nodeId}}.orders.example, boot.logs.example, b{{nodeId}}.logs.example");
}

TEST_CASE("a shared socket is kferry's own, and is not dialled") {
  const Plan plan(two_clusters());
  CHECK(plan.is_own(*SocketAddress::parse("127.0.0.1", 9092)));
  CHECK_FALSE(plan.is_own(*SocketAddress::parse("127.0.0.1", 9093)));
}

TEST_CASE(":: serves IPv4 too, unless an IPv4 listener has the port") {
  config::Config config;
  config.clusters.resize(1);
  for (const auto& [name, bind, port] :
       {std::tuple{"six", "::", 7000}, std::tuple{"four", "127.0.0.1", 7001}, std::tuple{"both", "::", 7001},
        std::tuple{"mapped", "::ffff:127.0.0.1", 7002}, std::tuple{"one", "fd00::2", 7003}}) {
    config::Listener& listener = config.clusters[0].listeners.emplace_back();
    listener.name = name;
    listener.advertised_host = "gateway.example";
    listener.bind_address = bind;
    listener.ports = {{static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(port)}};
  }
  const Plan plan(config);
  const auto at = [](const char* host, std::uint16_t port) { return *SocketAddress::parse(host, port); };
  CHECK(plan.port(at("::", 7000))->both_families);
  CHECK_FALSE(plan.port(at("::", 7001))->both_families);
  CHECK_FALSE(plan.port(at("fd00::2", 7003))->both_families);
  CHECK(plan.port(at("127.0.0.1", 7002)) != nullptr);
  CHECK(plan.is_own(at("127.0.0.1", 7000)));
  CHECK(plan.is_own(at("::1", 7000)));
  CHECK(plan.is_own(at("::ffff:127.0.0.1", 7002)));
  CHECK(plan.is_own(at("10.0.0.5", 7000), at("10.0.0.5", 0)));
  CHECK_FALSE(plan.is_own(at("127.0.0.2", 7001)));
  CHECK(plan.advertised()->has({"GATEWAY.example", 7003}));
}

TEST_CASE("a socket on :: that loses or gains IPv4 is another socket") {
  const auto plan = [](std::vector<std::string> binds) {
    config::Config config;
    config.clusters.resize(1);
    for (const std::string& bind : binds) {
      config::Listener& listener = config.clusters[0].listeners.emplace_back();
      listener.name = bind;
      listener.advertised_host = "gateway.example";
      listener.bind_address = bind;
      listener.ports = {{7000, 7000}};
    }
    return Plan::make(std::move(config));
  };
  const SocketAddress six = *SocketAddress::parse("::", 7000);
  const SocketAddress four = *SocketAddress::parse("127.0.0.1", 7000);
  const auto alone = plan({"::"});
  const auto beside = plan({"::", "127.0.0.1"});

  const PlanChanges added = compare(*alone, *beside);
  CHECK(added.opened == std::vector{six, four});
  CHECK(added.closed == std::vector{six});
  CHECK(added.kept.empty());
  const PlanChanges removed = compare(*beside, *alone);
  CHECK(removed.opened == std::vector{six});
  CHECK(removed.closed == std::vector{six, four});
  CHECK(compare(*beside, *plan({"127.0.0.1", "::"})).kept == std::vector{four, six});
}

TEST_CASE("plans are compared by addresses and names, whatever their order") {
  config::Config changed = two_clusters();
  std::swap(changed.clusters[0], changed.clusters[1]);
  config::Cluster& orders = changed.clusters[1];
  orders.listeners[0].ports = {{7000, 7001}};  // inside: another local port
  orders.listeners[1].bind_address = "127.0.0.1";
  changed.clusters.push_back(orders);
  changed.clusters[2].name = "audit";
  changed.clusters[2].listeners = {named("outside", "audit.example", 9093)};
  const Plan before(two_clusters());
  const Plan after(changed);
  const auto at = [](const char* host, std::uint16_t port) { return *SocketAddress::parse(host, port); };

  const PlanChanges changes = compare(before, after);
  CHECK(changes.kept == std::vector{at("0.0.0.0", 9092)});
  CHECK(changes.opened == std::vector{at("0.0.0.0", 7001), at("127.0.0.1", 9092), at("0.0.0.0", 9093)});
  CHECK(changes.closed == std::vector{at("0.0.0.0", 7000)});
  CHECK(changes.clusters_added == std::vector<std::string>{"audit"});
  CHECK(changes.clusters_removed.empty());
  CHECK(compare(after, before).clusters_removed == std::vector<std::string>{"audit"});

  // The kept socket serves one name fewer, and its listener has another index.
  const PortEntry* const shared = after.port(at("0.0.0.0", 9092));
  REQUIRE(shared != nullptr);
  CHECK(shared->sharing.empty());
  CHECK(&after.listener_of(*shared) == after.listener("logs", "outside"));
  CHECK(after.listener("logs", "inside") == nullptr);
  CHECK(after.listener("nothing", "outside") == nullptr);
}

TEST_CASE("a plan keeps its own copy of the configuration, and gives each cluster its policy") {
  config::Config config = two_clusters();
  config.limits.unanswered_requests = 7;
  config.clusters[1].pass_api_keys = {60};
  const Plan plan(config);
  config.clusters.clear();
  REQUIRE(plan.cluster("logs") != nullptr);
  CHECK(plan.cluster("logs")->policy.unanswered_max == 7);
  CHECK(plan.cluster("logs")->policy.pass_api_keys == std::vector<std::int16_t>{60});
  CHECK(plan.cluster("orders")->policy.pass_api_keys.empty());
  CHECK(plan.cluster("nothing") == nullptr);
}

}  // namespace
}  // namespace kferry::proxy
