// Which brokers of a cluster are known to be out of reach, so that an outage is one line of the log, and its end
// another, however many clients meet it. Pure but for its lock; any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace kferry::proxy {

class Outages {
 public:
  // More are not remembered: the one that began first gives way, and is new when it is met again.
  static constexpr std::size_t outages_max = 4096;

  // A dial to the broker has failed. True: it was not known to be out of reach.
  bool begin(NodeId id, Instant now);
  // A dial to the broker has succeeded. How long its outage has lasted; nullopt: it had none. Free of locks while no
  // broker is out of reach.
  std::optional<Duration> end(NodeId id, Instant now);

 private:
  std::atomic<bool> any_ = false;
  std::mutex mutex_;
  std::map<NodeId, Instant> since_;
};

}  // namespace kferry::proxy
