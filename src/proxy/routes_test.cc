#include "proxy/routes.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace kferry::proxy {
namespace {

config::Listener listener(std::uint16_t first, std::uint16_t count) {
  config::Listener made;
  made.name = "external";
  made.advertised_host = "gateway.example.com";
  for (std::uint16_t i = 0; i < count; ++i) {
    const auto local = static_cast<std::uint16_t>(first + i);
    made.ports.push_back({static_cast<std::uint16_t>(local + 20'000), local});
  }
  return made;
}

Snapshot snapshot(std::initializer_list<std::int32_t> listed,
                  std::initializer_list<std::int32_t> unlisted = {}) {
  Snapshot made;
  for (const std::int32_t id : listed)
    made.nodes.push_back({NodeId{id}, {"b" + std::to_string(id), 9092}, {}, true});
  for (const std::int32_t id : unlisted)
    made.nodes.push_back({NodeId{id}, {"b" + std::to_string(id), 9092}, {}, false});
  std::sort(made.nodes.begin(), made.nodes.end(),
            [](const Node& a, const Node& b) { return number(a.id) < number(b.id); });
  return made;
}

TEST_CASE("brokers 1 to 3 fit three ports, and clients are told the advertised ones") {
  const config::Listener three = listener(6969, 3);
  Routes routes(three);
  routes.refresh(snapshot({1, 2, 3}));
  CHECK(routes.owner(0) == NodeId{3});
  CHECK(routes.owner(1) == NodeId{1});
  CHECK(routes.advertised(NodeId{3}) == HostPort{"gateway.example.com", 26969});
  CHECK(routes.advertised(NodeId{1}) == HostPort{"gateway.example.com", 26970});
  CHECK(routes.clashes().empty());
  CHECK(routes.unmapped().empty());
}

TEST_CASE("the lower of two live brokers keeps the port, the other is not advertised") {
  const config::Listener two = listener(7000, 2);
  Routes routes(two);
  routes.refresh(snapshot({1, 2, 3}));
  CHECK(routes.owner(1) == NodeId{1});
  CHECK(routes.advertised(NodeId{1}).has_value());
  CHECK_FALSE(routes.advertised(NodeId{3}).has_value());
  REQUIRE(routes.clashes().size() == 1);
  CHECK(routes.clashes().front().kept == NodeId{1});
  CHECK(routes.clashes().front().dropped == NodeId{3});
  CHECK(routes.clashes().front().local_port == 7001);
  CHECK(routes.advice(snapshot({1, 2, 3})).starts_with("give the listener ports = \"7000-7002\""));
}

TEST_CASE("a broker that is no longer listed gives way to a live one, and serves an empty port") {
  const config::Listener two = listener(7000, 2);
  Routes routes(two);
  routes.refresh(snapshot({3}, {1, 2}));
  CHECK(routes.owner(1) == NodeId{3});
  CHECK(routes.owner(0) == NodeId{2});
  CHECK(routes.clashes().empty());
  CHECK_FALSE(routes.advertised(NodeId{1}).has_value());
}

TEST_CASE("a port whose broker is not known yet is advertised all the same") {
  const config::Listener three = listener(7000, 3);
  Routes routes(three);
  routes.refresh(snapshot({}));
  CHECK_FALSE(routes.owner(0).has_value());
  CHECK(routes.advertised(NodeId{5}) == HostPort{"gateway.example.com", 27002});
  CHECK_FALSE(routes.advertised(NodeId{-1}).has_value());
}

TEST_CASE(
    "what one client alone has named takes no port from an unlisted broker, nor from one that is back") {
  for (const bool returning : {false, true}) {
    Snapshot two = snapshot({2}, {5});
    two.nodes.at(0).provisional = true;
    two.nodes.at(1).listed = two.nodes.at(1).provisional = two.nodes.at(1).returning = returning;
    const config::Listener three = listener(7000, 3);
    Routes routes(three);
    routes.refresh(two);
    CHECK(routes.owner(2) == NodeId{5});
  }
}

TEST_CASE("an id that is not listed has no port, and the advice names ids") {
  config::Listener some = listener(7000, 2);
  some.ids = {100, 200};
  Routes routes(some);
  routes.refresh(snapshot({100, 200, 300}));
  CHECK(routes.owner(1) == NodeId{200});
  CHECK(routes.unmapped() == std::vector{NodeId{300}});
  CHECK_FALSE(routes.advertised(NodeId{300}).has_value());
  CHECK(routes.advice(snapshot({100, 200, 300}, {400}))
            .starts_with("give the listener ports = \"7000-7002\" with ids = \"100,200,300\""));
}

TEST_CASE("routing by SNI tells a name for every broker, known or not, and nothing clashes") {
  config::Listener one = listener(9092, 1);
  one.routing = config::Routing::sni;
  one.sni = config::SniNames{"broker-", ".k.example", "broker.k.example"};
  Routes routes(one);
  routes.refresh(snapshot({1, 2, 1'000'000}, {3}));
  CHECK(routes.advertised(NodeId{1'000'000}) == HostPort{"broker-1000000.k.example", 29092});
  CHECK(routes.advertised(NodeId{3}) == HostPort{"broker-3.k.example", 29092});
  CHECK(routes.advertised(NodeId{4}) == HostPort{"broker-4.k.example", 29092});
  CHECK_FALSE(routes.advertised(NodeId{-1}).has_value());
  CHECK_FALSE(routes.owner(0).has_value());
  CHECK(routes.clashes().empty());
  CHECK(routes.unmapped().empty());
}

}  // namespace
}  // namespace kferry::proxy
