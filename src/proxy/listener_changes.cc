#include "proxy/listener_changes.h"

#include <algorithm>
#include <optional>

namespace kferry::proxy {

namespace {

bool same_names(const std::optional<config::SniNames>& one, const std::optional<config::SniNames>& other) {
  if (!one || !other) return one.has_value() == other.has_value();
  return one->before == other->before && one->after == other->after && one->bootstrap == other->bootstrap;
}

}  // namespace

bool tells_the_same(const config::Listener& from, const config::Listener& to) {
  const auto same_port = [](const config::Port& one, const config::Port& other) {
    return one.advertised == other.advertised && one.local == other.local;
  };
  return from.routing == to.routing && std::ranges::equal(from.ports, to.ports, same_port) &&
         from.advertised_host == to.advertised_host && from.min_broker_id == to.min_broker_id &&
         from.ids == to.ids && same_names(from.sni, to.sni);
}

bool listener_stays(const Plan& from, const PortEntry& port, const Plan& to) {
  const config::Listener& before = from.listener_of(port);
  const config::Listener* const after = to.listener(from.clusters()[port.cluster].config.name, before.name);
  return after != nullptr && tells_the_same(before, *after);
}

bool every_listener_stays(const Plan& from, const PortEntry& port, const Plan& to) {
  return listener_stays(from, port, to) && std::ranges::all_of(port.sharing, [&](const PortEntry& other) {
           return listener_stays(from, other, to);
         });
}

}  // namespace kferry::proxy
