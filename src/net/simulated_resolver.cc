#include "net/simulated_resolver.h"

#include "base/assert.h"

namespace kferry::net {
SimulatedResolver::SimulatedResolver(std::uint64_t seed, std::function<Instant()> now)
    : random_(seed), now_(std::move(now)) {}

void SimulatedResolver::set(const std::string& name, const std::vector<SocketAddress>& addresses) {
  Name& entry = names_[name];
  entry.addresses = ipv4_first(addresses);
  entry.error.clear();
  entry.authoritative = false;
}

void SimulatedResolver::fail(const std::string& name, const std::string& error, bool authoritative) {
  KFERRY_ASSERT(!error.empty());
  Name& entry = names_[name];
  entry.error = error;
  entry.authoritative = authoritative;
}

void SimulatedResolver::set_delay(Duration shortest, Duration longest) {
  KFERRY_ASSERT(Duration{} <= shortest);
  KFERRY_ASSERT(shortest <= longest);
  delay_shortest_ = shortest;
  delay_longest_ = longest;
}

void SimulatedResolver::set_failures(std::uint32_t per_mille) {
  KFERRY_ASSERT(per_mille <= 1000);
  failures_per_mille_ = per_mille;
}

Answer SimulatedResolver::answer_for(std::uint64_t request, const HostPort& where, Name& name) {
  Answer answer{.request = request};
  const bool unlucky = failures_per_mille_ > 0 && random_() % 1000 < failures_per_mille_;
  if (name.error.empty() && !unlucky && !name.addresses.empty()) {
    name.learnt = now_();
    name.known = true;
  } else if (!name.error.empty()) {
    answer.error = name.error;
  } else {
    answer.error = unlucky ? "simulated DNS failure for " + where.host : "no such name: " + where.host;
  }
  if (!answer.error.empty()) {
    const bool authoritative = name.error.empty() ? !unlucky : name.authoritative;
    if (authoritative) name.known = false;
    if (!name.known) return answer;
    answer.stale = true;
    answer.age = now_() - name.learnt;
  }
  for (const SocketAddress& address : name.addresses)
    answer.addresses.push_back(with_port(address, static_cast<std::uint16_t>(where.port)));
  return answer;
}

void SimulatedResolver::resolve(std::uint64_t request, const HostPort& where,
                                std::shared_ptr<AnswerQueue> queue) {
  Name& name = names_[where.host];
  ++name.requests;
  if (const auto literal = SocketAddress::parse(where.host, static_cast<std::uint16_t>(where.port))) {
    queue->push({.request = request, .addresses = {*literal}});
    return;
  }
  const auto spread = static_cast<std::uint64_t>((delay_longest_ - delay_shortest_).count());
  const Duration delay = delay_shortest_ + Duration(static_cast<Duration::rep>(random_() % (spread + 1)));
  pending_.emplace(now_() + delay, Pending{answer_for(request, where, name), std::move(queue)});
}

std::optional<Instant> SimulatedResolver::next_due() const {
  if (pending_.empty()) return std::nullopt;
  return pending_.begin()->first;
}

std::size_t SimulatedResolver::deliver() {
  std::size_t count = 0;
  const Instant now = now_();
  while (!pending_.empty() && pending_.begin()->first <= now) {
    auto due = pending_.extract(pending_.begin());
    due.mapped().queue->push(std::move(due.mapped().answer));
    ++count;
  }
  return count;
}

std::uint64_t SimulatedResolver::requests(const std::string& name) const {
  const auto entry = names_.find(name);
  return entry == names_.end() ? 0 : entry->second.requests;
}

}  // namespace kferry::net
