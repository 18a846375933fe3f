#include "proxy/drain_orders.h"

#include <utility>

namespace kferry::proxy {

void DrainOrders::tell() {
  news_.fetch_add(1, std::memory_order_release);
  wake_();
}

void DrainOrders::begin(Begun begun) {
  {
    const std::scoped_lock lock(mutex_);
    begun_ = begun;
  }
  tell();
}

std::optional<DrainOrders::Begun> DrainOrders::take_begun() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(begun_, std::nullopt);
}

void DrainOrders::set_deadline(Instant until) {
  const std::scoped_lock lock(mutex_);
  orders_.until = until;
}

void DrainOrders::close(std::span<const SocketAddress> ports, bool last) {
  {
    const std::scoped_lock lock(mutex_);
    orders_.closed.insert(orders_.closed.end(), ports.begin(), ports.end());
    orders_.every_session = orders_.every_session || last;
  }
  any_port_closed_.store(true, std::memory_order_release);
  if (last) every_port_closed_.store(true, std::memory_order_release);
  tell();
}

DrainOrders::Orders DrainOrders::orders() const {
  const std::scoped_lock lock(mutex_);
  return orders_;
}

}  // namespace kferry::proxy
