#include "proxy/runtime.h"

#include <doctest/doctest.h>

#include <string>

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
  const config::Config config = two_clusters();
  const Runtime runtime(config, null_log_sink());
  REQUIRE(runtime.ports.size() == 2);
  const PortEntry& shared = runtime.ports.at(1);
  CHECK(shared.address.port() == 9092);
  CHECK(shared.sharing.size() == 1);

  const auto orders = runtime.find(shared, "b7.orders.example");
  REQUIRE(orders.has_value());
  CHECK(orders->port == &shared);
  CHECK(orders->node == NodeId{7});
  const auto logs = runtime.find(shared, "b7.logs.example");
  REQUIRE(logs.has_value());
  CHECK(logs->port->cluster == 1);
  CHECK(logs->port->listener_index == 2);
  const auto bootstrap = runtime.find(shared, "boot.logs.example");
  REQUIRE(bootstrap.has_value());
  CHECK_FALSE(bootstrap->node.has_value());

  // Names of another socket are unknown here.
  for (const char* name : {"", "b7", "b7.elsewhere.example", "orders.example", "b07.logs.example"})
    CHECK_FALSE(runtime.find(shared, name).has_value());
  CHECK(runtime.names_text(shared) ==
        "boot.orders.example, b{{nodeId}}.orders.example, boot.logs.example, b{{nodeId}}.logs.example");
}

TEST_CASE("a shared socket is kferry's own, and is not dialled") {
  const config::Config config = two_clusters();
  const Runtime runtime(config, null_log_sink());
  CHECK(runtime.is_own(*SocketAddress::parse("127.0.0.1", 9092)));
  CHECK_FALSE(runtime.is_own(*SocketAddress::parse("127.0.0.1", 9093)));
}

}  // namespace
}  // namespace kferry::proxy
