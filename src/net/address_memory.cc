#include "net/address_memory.h"

#include <algorithm>
#include <utility>

namespace kferry::net {
namespace {

using Addresses = std::vector<SocketAddress>;

// Moves those that `belongs` holds for to `from`, and returns the end of them. Everything keeps its order.
template <typename Belongs>
Addresses::iterator gather(Addresses::iterator from, Addresses::iterator end, const Belongs& belongs) {
  for (auto at = from; at != end; ++at) {
    if (!belongs(*at)) continue;
    std::rotate(from, at, at + 1);
    ++from;
  }
  return from;
}

// By turns of the two families, beginning with the other one than `family`, where both are there. 0: as they come.
void alternate(Addresses::iterator from, Addresses::iterator end, int family) {
  for (; from != end; ++from) {
    const auto other =
        std::find_if(from, end, [&](const SocketAddress& one) { return one.family() != family; });
    if (other != end) std::rotate(from, other, other + 1);
    family = from->family();
  }
}

}  // namespace

AddressMemory::Plan AddressMemory::plan(const HostPort& name, Addresses& addresses, Instant now) {
  Plan plan;
  const std::lock_guard lock(mutex_);
  const auto place = names_.find(name);
  if (place == names_.end()) {
    alternate(addresses.begin(), addresses.end(), 0);
    return plan;
  }
  Name& known = place->second;
  known.used = now;
  std::erase_if(known.dead, [&](const Dead& one) { return now - one.at >= lifetime; });
  const auto is_dead = [&](const SocketAddress& address) {
    return std::ranges::any_of(known.dead, [&](const Dead& one) { return one.address == address; });
  };
  const auto good = gather(addresses.begin(), addresses.end(),
                           [&](const SocketAddress& address) { return address == known.good; });
  const auto alive =
      gather(good, addresses.end(), [&](const SocketAddress& address) { return !is_dead(address); });
  const int first_family = good == addresses.begin() ? 0 : addresses.front().family();
  alternate(good, alive, first_family);
  alternate(alive, addresses.end(), alive == addresses.begin() ? 0 : (alive - 1)->family());
  if (!known.good.empty()) plan.delay = std::clamp(2 * known.took, delay_min, delay_max);
  plan.settled = good != addresses.begin() && plan.delay == delay_min;
  return plan;
}

void AddressMemory::answered(const HostPort& name, const SocketAddress& address, Duration took, Instant now) {
  std::vector<Dead> news;
  {
    const std::lock_guard lock(mutex_);
    Name& known = use(name, now);
    known.good = address;
    known.took = took;
    std::erase_if(known.dead, [&](const Dead& one) { return one.address == address; });
    for (Dead& one : known.dead) {
      if (!std::exchange(one.logged, true)) news.push_back(one);
    }
  }
  for (const Dead& one : news) {
    log_.write({Severity::warning, "address_dead", name.host + "/" + one.address.host_text(),
                "address " + one.address.text() + " of " + to_string(name) + " gives no connection (" +
                    one.why + "), while " + address.text() +
                    " does: it is tried last from now on; correct DNS, or see why nothing answers there"});
  }
}

void AddressMemory::failed(const HostPort& name, const SocketAddress& address, std::string why, Instant now) {
  const std::lock_guard lock(mutex_);
  Name& known = use(name, now);
  if (known.good == address) known.good = {};
  const auto place =
      std::ranges::find_if(known.dead, [&](const Dead& one) { return one.address == address; });
  Dead failure{address, std::move(why), now};
  if (place != known.dead.end()) {
    failure.logged = place->logged;
    known.dead.erase(place);
  } else if (known.dead.size() == dead_max) {
    known.dead.erase(known.dead.begin());
  }
  known.dead.push_back(std::move(failure));
}

AddressMemory::Name& AddressMemory::use(const HostPort& name, Instant now) {
  auto place = names_.find(name);
  if (place == names_.end()) {
    if (names_.size() == names_max) make_room(now);
    place = names_.emplace(name, Name{}).first;
  }
  place->second.used = now;
  return place->second;
}

void AddressMemory::make_room(Instant now) {
  std::erase_if(names_, [&](const auto& entry) { return now - entry.second.used >= lifetime; });
  if (names_.size() < names_max) return;
  names_.erase(std::ranges::min_element(
      names_, {}, [](const auto& entry) -> const Instant& { return entry.second.used; }));
}

std::size_t AddressMemory::size() const {
  const std::lock_guard lock(mutex_);
  return names_.size();
}

}  // namespace kferry::net
