// Accepted sockets on their way to a worker, with the port that each was accepted on: a ring's message has room for the
// socket only. A message says which socket has arrived, so the order of messages does not matter, and a socket that did
// not arrive can be taken back.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "proxy/admission.h"
#include "proxy/live_plan.h"
#include "ring/ring.h"

namespace kferry::proxy {

struct Arrival {
  ring::Socket socket = ring::Socket::none;
  std::shared_ptr<const LivePlan> live;  // that it was accepted under
  std::uint32_t port = 0;                // index into its ports
  Admission::Ticket ticket{};            // empty: not admitted to a listener yet
};

class Arrivals {
 public:
  void put(Arrival arrival) {
    const std::scoped_lock lock(mutex_);
    arrivals_.push_back(std::move(arrival));
  }
  // `socket` was put and not yet taken.
  Arrival take(ring::Socket socket) {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(arrivals_, socket, &Arrival::socket);
    KFERRY_ASSERT(found != arrivals_.end());
    Arrival arrival = std::move(*found);
    arrivals_.erase(found);
    return arrival;
  }

 private:
  std::mutex mutex_;
  std::vector<Arrival> arrivals_;
};

}  // namespace kferry::proxy
