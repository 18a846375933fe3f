#include "net/name_cache.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace kferry::net {
NameCache::Name& NameCache::use(std::string_view name) {
  const auto known = names_.find(name);
  if (known != names_.end()) {
    uses_.splice(uses_.begin(), uses_, known->second);
    return uses_.front();
  }
  if (names_.size() >= rules_.names_max) {
    names_.erase(uses_.back().name);
    uses_.pop_back();
  }
  uses_.push_front({.name = std::string(name),
                    .addresses = {},
                    .learnt = {},
                    .error = {},
                    .paid_until = {},
                    .fresh_until = {}});
  names_.emplace(uses_.front().name, uses_.begin());
  return uses_.front();
}

bool NameCache::fresh(std::string_view name, Instant now) {
  const auto known = names_.find(name);
  if (known == names_.end() || now >= known->second->fresh_until) return false;
  uses_.splice(uses_.begin(), uses_, known->second);
  return true;
}

void NameCache::learn(std::string_view name, const std::vector<SocketAddress>& addresses, Duration ttl,
                      Instant now) {
  KFERRY_ASSERT(!addresses.empty());
  Name& entry = use(name);
  entry.addresses = ipv4_first(addresses);
  entry.learnt = now;
  entry.error.clear();
  pay(entry, now);
  entry.fresh_until = now + std::clamp(ttl, rules_.ttl_min, rules_.ttl_max);
}

void NameCache::fail(std::string_view name, std::string error, bool authoritative, Instant now) {
  KFERRY_ASSERT(!error.empty());
  Name& entry = use(name);
  if (authoritative) entry.addresses.clear();
  entry.error = std::move(error);
  entry.fresh_until = now + rules_.failure_ttl;
  pay(entry, now);
}

void NameCache::doubt(std::string_view name) {
  const auto known = names_.find(name);
  if (known == names_.end()) return;
  Name& entry = *known->second;
  entry.fresh_until = std::min(entry.fresh_until, entry.paid_until - rules_.doubt_interval);
}

void NameCache::pay(Name& entry, Instant now) const {
  entry.paid_until = std::max(entry.paid_until, now) + rules_.doubt_interval;
}

bool NameCache::has_addresses(std::string_view name) const {
  const auto known = names_.find(name);
  return known != names_.end() && !known->second->addresses.empty();
}

Answer NameCache::answer(std::string_view name, std::uint64_t request, std::uint16_t port,
                         Instant now) const {
  const auto known = names_.find(name);
  KFERRY_ASSERT(known != names_.end());
  const Name& entry = *known->second;
  Answer answer{.request = request, .error = entry.error};
  for (const SocketAddress& address : entry.addresses) answer.addresses.push_back(with_port(address, port));
  answer.stale = !entry.error.empty() && !entry.addresses.empty();
  if (answer.stale) answer.age = now - entry.learnt;
  return answer;
}

}  // namespace kferry::net
