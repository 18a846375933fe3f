// See ledger.h.
#include "ledger.h"

namespace kferry::simulation {

Order& Ledger::enter(std::int32_t number, Order order) {
  Connection& in = connection(number);
  order.nonce = next_nonce_++;
  order.connection = number;
  first_[order.nonce] = number;
  in.orders.push_back(order);
  return in.orders.back();
}

std::optional<std::int32_t> Ledger::begun_by(std::uint64_t nonce) const {
  const auto found = first_.find(nonce);
  return found == first_.end() ? std::nullopt : std::optional(found->second);
}

const Reply* Ledger::reply(std::uint64_t nonce) const {
  const auto found = replies_.find(nonce);
  return found == replies_.end() ? nullptr : &found->second;
}

void Ledger::violation(std::string text) {
  constexpr std::size_t kept = 20;
  if (violations_.size() < kept) violations_.push_back(std::move(text));
}

}  // namespace kferry::simulation
