#include "config/ports.h"

#include <doctest/doctest.h>

#include <limits>

using namespace kferry;
using namespace kferry::config;

namespace {
Listener listener_with(std::size_t size, std::int32_t min = 0, std::vector<std::int32_t> ids = {}) {
  Listener listener;
  for (std::size_t i = 0; i < size; ++i) {
    const auto port = static_cast<std::uint16_t>(6969 + i);
    listener.ports.push_back({port, port});
  }
  listener.min_broker_id = min;
  listener.ids = std::move(ids);
  return listener;
}
}  // namespace

TEST_CASE("brokers 0-2 and brokers 1-3 both fit three ports") {
  const Listener listener = listener_with(3);
  const std::vector<NodeId> from_zero{NodeId{0}, NodeId{1}, NodeId{2}};
  const std::vector<NodeId> from_one{NodeId{1}, NodeId{2}, NodeId{3}};
  CHECK_FALSE(map_ports(listener, from_zero).clash());
  CHECK_FALSE(map_ports(listener, from_one).clash());
  CHECK(port_index(listener, NodeId{3}) == 0u);
  CHECK(port_index(listener, NodeId{1}) == 1u);
}

TEST_CASE("min_broker_id takes the first port, and the modulo is never negative") {
  const Listener listener = listener_with(3, 1);
  CHECK(port_index(listener, NodeId{1}) == 0u);
  CHECK(port_index(listener, NodeId{0}) == 2u);
  // 0 - 2147483647 is -2147483647, which is 6 modulo 7.
  CHECK(port_index(listener_with(7, std::numeric_limits<std::int32_t>::max()), NodeId{0}) == 6u);
}

TEST_CASE("consecutive ids never clash on as many ports as ids") {
  for (std::int32_t min : {0, 1, 5, 1000, 2147483000}) {
    for (std::int32_t first = 0; first < 40; ++first) {
      std::vector<NodeId> ids;
      for (std::int32_t i = 0; i < 9; ++i) ids.push_back(NodeId{first + i});
      CHECK_FALSE(map_ports(listener_with(9, min), ids).clash());
    }
  }
}

TEST_CASE("listed ids take the ports in order, and others have no port") {
  const Listener listener = listener_with(4, 0, {100, 101, 102, 200});
  CHECK(port_index(listener, NodeId{200}) == 3u);
  CHECK(port_index(listener, NodeId{103}) == std::nullopt);
  const std::vector<NodeId> nodes{NodeId{103}, NodeId{100}};
  const PortMap map = map_ports(listener, nodes);
  CHECK(map.unmapped == std::vector<NodeId>{NodeId{103}});
  CHECK(map.ports[0].nodes == std::vector<NodeId>{NodeId{100}});
}

TEST_CASE("a negative id and a listener without ports map to no port") {
  CHECK(port_index(listener_with(3), NodeId{-1}) == std::nullopt);
  CHECK(port_index(listener_with(0), NodeId{1}) == std::nullopt);
}

TEST_CASE("two brokers on one port are a clash, lowest id first") {
  const std::vector<NodeId> nodes{NodeId{4}, NodeId{1}};
  const PortMap map = map_ports(listener_with(3), nodes);
  CHECK(map.clash());
  CHECK(map.ports[1].nodes == std::vector<NodeId>{NodeId{1}, NodeId{4}});
  // 1 and 4 differ by 3: two ports tell them apart.
  CHECK(ports_that_fit(0, nodes) == 2);
  const std::vector<NodeId> sparse{NodeId{0}, NodeId{2}, NodeId{4}};
  CHECK(ports_that_fit(0, sparse) == 3);
}

TEST_CASE("a port says which ids it serves") {
  CHECK(ids_of_port(listener_with(3), 0) == "0, 3, 6, …");
  CHECK(ids_of_port(listener_with(3, 1), 0) == "1, 4, 7, …");
  CHECK(ids_of_port(listener_with(3, 1), 2) == "3, 6, 9, …");
  CHECK(ids_of_port(listener_with(3, 0, {100, 200}), 1) == "200");
  CHECK(ids_of_port(listener_with(3, 0, {100, 200}), 2) == "no broker");
}
