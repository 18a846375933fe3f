// What is done over all brokers, ports, listeners and names, at ten times the size that anyone runs: 4096 brokers,
// 40,000 ports, 500 listeners on one socket. Each limit is one of processor time, a hundred times what a step per item
// takes and far below what a step per pair of items would.
#include <doctest/doctest.h>

#include <ctime>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "config/port_advice.h"
#include "proxy/dial_plan.h"
#include "proxy/plan.h"
#include "proxy/routes.h"

namespace kferry::proxy {
namespace {

constexpr std::int32_t brokers = 4096;

template <typename Work>
double seconds_of(const Work& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

config::Listener listener(std::size_t ports) {
  config::Listener made;
  made.name = "external";
  made.advertised_host = "gateway.example.com";
  for (std::size_t i = 0; i < ports; ++i) {
    const auto port = static_cast<std::uint16_t>(1025 + i);
    made.ports.push_back({port, port});
  }
  return made;
}

Snapshot many(std::int32_t step = 1) {
  Snapshot snapshot;
  for (std::int32_t i = 0; i < brokers; ++i)
    snapshot.nodes.push_back({NodeId{i * step}, {"broker-" + std::to_string(i), 9092}, {}, true, false});
  return snapshot;
}

TEST_CASE("scale: advice on ports takes milliseconds, whatever ids a broker invents") {
  std::mt19937 random(1);
  std::vector<NodeId> scattered;
  for (std::int32_t i = 0; i < brokers; ++i)
    scattered.push_back(NodeId{static_cast<std::int32_t>(random() >> 1U)});
  std::vector<NodeId> late(brokers);  // most sizes fail at the last of them
  for (std::int32_t i = 0; i < brokers; ++i) late[static_cast<std::size_t>(i)] = NodeId{i};
  for (std::int32_t i = 1; i <= 64; ++i)
    late[static_cast<std::size_t>(brokers - i)] = NodeId{0x7FFFFFFF - i * 7919};
  config::Listener three = listener(3);
  for (const auto& ids : {scattered, late})
    CHECK(seconds_of([&] { CHECK(config::port_advice(three, ids).size() < 1000); }) < 1);
}

TEST_CASE("scale: routes find each broker's port in a list of 40,000 ids") {
  config::Listener wide = listener(40'000);
  wide.ids.resize(40'000);
  std::iota(wide.ids.rbegin(), wide.ids.rend(), 0);  // the longest search for low ids
  const Snapshot snapshot = many();
  CHECK(seconds_of([&] {
          Routes routes(wide);
          for (int i = 0; i < 100; ++i) routes.refresh(snapshot);
          CHECK(routes.owner(39'999) == NodeId{0});
          CHECK(routes.advertised(NodeId{1})->port == 1025 + 39'998);
          CHECK_FALSE(routes.advertised(NodeId{40'000}));
        }) < 2);
}

TEST_CASE("scale: advice for thousands of brokers without a port is a short text") {
  const config::Listener three = listener(3);
  Routes routes(three);
  const Snapshot snapshot = many(100'003);
  CHECK(seconds_of([&] { routes.refresh(snapshot); }) < 1);
  CHECK(routes.clashes().size() == brokers - 3);
  CHECK(routes.advice(snapshot).size() < 1000);
}

TEST_CASE("scale: a dial has a bounded number of candidates among thousands of brokers") {
  const Snapshot snapshot = many();
  std::vector<HostPort> servers;
  for (int i = 0; i < 1000; ++i) servers.push_back({"boot-" + std::to_string(i), 9092});
  CHECK(seconds_of([&] {
          for (std::size_t port = 0; port < 100; ++port)
            CHECK(dial_plan(snapshot, NodeId{7}, true, port, servers).size() == 1 + 32 + 32);
        }) < 2);
}

TEST_CASE("scale: a plan of 40,000 ports is made, searched and compared without a step per pair") {
  config::Config config;
  config.clusters.resize(20);
  for (std::size_t c = 0; c < config.clusters.size(); ++c) {
    config.clusters[c].name = "c" + std::to_string(c);
    config.clusters[c].listeners.push_back(listener(2000));
    config.clusters[c].listeners.back().bind_address = "127.0.0." + std::to_string(c + 1);
  }
  CHECK(seconds_of([&] {
          const Plan plan(config);
          const Plan next(config);
          CHECK(plan.ports().size() == 40'000);
          CHECK(compare(plan, next).kept.size() == 40'000);
          const auto own = SocketAddress::parse("127.0.0.20", 3024);
          const auto other = SocketAddress::parse("127.0.0.21", 3024);
          REQUIRE((own && other));
          for (int i = 0; i < 10'000; ++i) {
            CHECK(plan.is_own(*own));
            CHECK_FALSE(plan.is_own(*other));
          }
        }) < 3);
}

TEST_CASE("scale: 500 listeners on one socket are searched by name, and a message lists a few") {
  config::Config config;
  config.clusters.resize(500);
  for (std::size_t c = 0; c < config.clusters.size(); ++c) {
    const std::string name = "c" + std::to_string(c);
    config.clusters[c].name = name;
    config::Listener one = listener(1);
    one.bind_address = "0.0.0.0";
    one.sni = config::SniNames{"b", "." + name + ".example.com", name + ".example.com"};
    config.clusters[c].listeners.push_back(one);
  }
  const Plan plan(config);
  REQUIRE(plan.ports().size() == 1);
  CHECK(seconds_of([&] {
          for (int i = 0; i < 1000; ++i) {
            CHECK(plan.find(plan.ports().front(), "b7.c499.example.com")->node == NodeId{7});
            CHECK_FALSE(plan.find(plan.ports().front(), "stranger.example.com"));
          }
        }) < 2);
  CHECK(plan.names_text(plan.ports().front()).size() < 2000);
}

}  // namespace
}  // namespace kferry::proxy
