#include "config/ports.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace kferry::config {
namespace {

// A few milliseconds, on a worker: a broker that invents ids cannot make the search last.
constexpr std::size_t search_steps_max = 1'000'000;

std::size_t modulo(std::int64_t value, std::size_t size) {
  const auto divisor = static_cast<std::int64_t>(size);
  return static_cast<std::size_t>(((value % divisor) + divisor) % divisor);
}

}  // namespace

std::optional<std::size_t> port_index(const Listener& listener, NodeId id) {
  if (listener.ports.empty() || number(id) < 0) return std::nullopt;
  if (listener.ids.empty()) {
    // In 64 bits: min_broker_id and the id may be at opposite ends of int32.
    return modulo(std::int64_t{number(id)} - listener.min_broker_id, listener.ports.size());
  }
  const auto found = std::find(listener.ids.begin(), listener.ids.end(), number(id));
  const auto index = static_cast<std::size_t>(found - listener.ids.begin());
  if (found == listener.ids.end() || index >= listener.ports.size()) return std::nullopt;
  return index;
}

bool PortMap::clash() const {
  return std::any_of(ports.begin(), ports.end(), [](const PortUse& use) { return use.nodes.size() > 1; });
}

PortMap map_ports(const Listener& listener, std::span<const NodeId> nodes) {
  PortMap map;
  for (const Port& port : listener.ports) map.ports.push_back({port, {}});
  std::vector<NodeId> sorted(nodes.begin(), nodes.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (const NodeId id : sorted) {
    if (const auto index = port_index(listener, id)) {
      map.ports[*index].nodes.push_back(id);
    } else {
      map.unmapped.push_back(id);
    }
  }
  return map;
}

std::string ids_of_port(const Listener& listener, std::size_t index) {
  if (!listener.ids.empty()) {
    return index < listener.ids.size() ? std::to_string(listener.ids[index]) : std::string("no broker");
  }
  const std::size_t size = listener.ports.size();
  // The lowest non-negative id on this port; the next ones follow at intervals of `size`.
  const auto lowest =
      static_cast<std::int64_t>(modulo(static_cast<std::int64_t>(index) + listener.min_broker_id, size));
  // Counted from min_broker_id, as an operator does: lower ids are also served, but not expected.
  std::int64_t first = lowest;
  if (listener.min_broker_id > first) first = listener.min_broker_id + static_cast<std::int64_t>(index);
  const auto step = static_cast<std::int64_t>(size);
  return std::to_string(first) + ", " + std::to_string(first + step) + ", " +
         std::to_string(first + 2 * step) + ", …";
}

std::optional<std::size_t> ports_that_fit(std::int32_t min_broker_id, std::span<const NodeId> nodes,
                                          std::size_t ports_max) {
  // From min_broker_id on, side by side, and divided in 32 bits where they can be: a step costs a few nanoseconds.
  std::vector<std::int64_t> distinct;
  for (const NodeId id : nodes) distinct.push_back(std::int64_t{number(id)} - min_broker_id);
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  ports_max = std::min<std::size_t>(ports_max, 65'535);
  std::size_t size = std::max<std::size_t>(1, distinct.size());
  std::vector<std::size_t> taken(std::max(size, ports_max) + 1);  // by port: the last size under which it was
  std::size_t steps = 0;
  for (; size <= ports_max && steps < search_steps_max; ++size) {
    const bool fits = std::ranges::all_of(distinct, [&](std::int64_t id) {
      ++steps;
      const std::size_t port =
          id >= 0 ? static_cast<std::uint32_t>(id) % static_cast<std::uint32_t>(size) : modulo(id, size);
      return std::exchange(taken[port], size) != size;
    });
    if (fits) return size;
  }
  return std::nullopt;
}

}  // namespace kferry::config
