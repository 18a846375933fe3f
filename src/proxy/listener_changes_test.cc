#include "proxy/listener_changes.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace kferry::proxy {
namespace {

config::Listener by_port(const std::string& name, std::uint16_t first) {
  config::Listener made;
  made.name = name;
  made.advertised_host = "kferry.example";
  made.ports = {{first, first},
                {static_cast<std::uint16_t>(first + 1), static_cast<std::uint16_t>(first + 1)}};
  return made;
}

config::Listener by_name(const std::string& name, const std::string& domain) {
  config::Listener made = by_port(name, 9092);
  made.ports.resize(1);
  made.routing = config::Routing::sni;
  made.sni = config::SniNames{"b", "." + domain, "boot." + domain};
  return made;
}

config::Config of(std::vector<config::Listener> listeners) {
  config::Config config;
  config.clusters.resize(1);
  config.clusters[0].name = "orders";
  config.clusters[0].listeners = std::move(listeners);
  return config;
}

// Whether the first port of the first listener stays when it is changed so.
template <typename Change>
bool stays_with(const Change& change) {
  config::Config next = of({by_port("outside", 7000)});
  change(next);
  const Plan from(of({by_port("outside", 7000)}));
  const Plan to(std::move(next));
  return listener_stays(from, from.ports().front(), to) &&
         every_listener_stays(from, from.ports().front(), to);
}

config::Listener& first(config::Config& config) {
  return config.clusters.front().listeners.front();
}

}  // namespace

TEST_CASE("connections stay where their listener tells clients the same") {
  CHECK(stays_with([](config::Config&) {}));
  CHECK(stays_with([](config::Config& next) { next.limits.keepalive_probes = 7; }));
  CHECK(stays_with([](config::Config& next) { next.clusters[0].upstream.bootstrap_servers = {{"b", 1}}; }));
  CHECK(stays_with([](config::Config& next) { first(next).bind_address = "127.0.0.1"; }));
  CHECK(stays_with([](config::Config& next) {
    next.clusters[0].listeners.insert(next.clusters[0].listeners.begin(), by_port("inside", 8000));
  }));
  CHECK(stays_with([](config::Config& next) {
    next.clusters.push_back(next.clusters[0]);
    next.clusters[1].name = "bills";
    first(next) = by_port("outside", 7000);
    next.clusters[1].listeners = {by_port("outside", 8000)};
  }));
}

TEST_CASE("connections end where their listener is gone or tells clients something else") {
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).name = "other"; }));
  CHECK_FALSE(stays_with([](config::Config& next) { next.clusters[0].name = "other"; }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).ports[1] = {7005, 7005}; }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).ports[1] = {7005, 7001}; }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).ports.push_back({7002, 7002}); }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).advertised_host = "other.example"; }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).min_broker_id = 1; }));
  CHECK_FALSE(stays_with([](config::Config& next) { first(next).ids = {1, 2}; }));
}

TEST_CASE("of listeners on one socket the others matter until one is chosen") {
  const Plan from(of({by_name("outside", "orders.example"), by_name("inside", "inside.example")}));
  REQUIRE(from.ports().size() == 1);
  const PortEntry& port = from.ports().front();
  const Plan same(of({by_name("inside", "inside.example"), by_name("outside", "orders.example")}));
  CHECK(every_listener_stays(from, port, same));
  const Plan without(of({by_name("outside", "orders.example")}));
  CHECK(listener_stays(from, port, without));
  CHECK_FALSE(listener_stays(from, port.sharing.front(), without));
  CHECK_FALSE(every_listener_stays(from, port, without));
  const Plan renamed(of({by_name("outside", "new.example"), by_name("inside", "inside.example")}));
  CHECK_FALSE(listener_stays(from, port, renamed));
  CHECK(listener_stays(from, port.sharing.front(), renamed));
}

}  // namespace kferry::proxy
