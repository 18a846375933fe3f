#include "config/port_advice.h"

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "config/ports.h"

namespace kferry::config {
namespace {

// With more ports than this for each broker, a list of ids is the better advice.
constexpr std::size_t sparse_max = 4;
constexpr std::size_t port_end = 65'536;

std::vector<NodeId> sorted(std::span<const NodeId> ids) {
  std::vector<NodeId> in_order(ids.begin(), ids.end());
  std::sort(in_order.begin(), in_order.end());
  in_order.erase(std::unique(in_order.begin(), in_order.end()), in_order.end());
  return in_order;
}

}  // namespace

std::string ids_text(std::span<const NodeId> ids) {
  const std::vector<NodeId> in_order = sorted(ids);
  std::string text;
  std::size_t told = 0;
  for (std::size_t i = 0; i < in_order.size(); ++told) {
    if (told == ids_told_max) return text + ",…";
    std::size_t end = i;
    while (end + 1 < in_order.size() && number(in_order[end + 1]) - 1 == number(in_order[end])) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(number(in_order[i]));
    if (end > i) text += "-" + std::to_string(number(in_order[end]));
    i = end + 1;
  }
  return text;
}

std::string port_advice(const Listener& listener, std::span<const NodeId> brokers) {
  static const std::string sni =
      "route by SNI (routing = \"sni\" on a TLS listener): one port then serves any ids";
  const std::vector<NodeId> ids = sorted(brokers);
  const std::size_t first = listener.ports.front().local;
  const auto range = [first](std::size_t size) {
    return "ports = \"" + std::to_string(first) + (size > 1 ? "-" + std::to_string(first + size - 1) : "") +
           "\"";
  };
  const auto size = ports_that_fit(listener.min_broker_id, ids, ids.size() * sparse_max);
  if (listener.ids.empty() && size && first + *size <= port_end) {
    const bool gaps = *size > ids.size();
    return "give the listener " + range(*size) +
           (gaps ? ", or " + range(ids.size()) + " with ids = \"" + ids_text(ids) + "\"" : "") + ", or " +
           sni;
  }
  if (first + ids.size() > port_end) {
    return counted(ids.size(), "port") + " from " + std::to_string(first) +
           " on are more than there are: begin the list at a lower port, or " + sni;
  }
  return "give the listener " + range(ids.size()) + " with ids = \"" + ids_text(ids) +
         "\"; no list of ports stays right where brokers get new ids: there, " + sni;
}

}  // namespace kferry::config
