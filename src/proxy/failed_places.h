// Where dials failed lately, so that these places come last among the stand-ins: a candidate that does not answer costs
// its whole connect timeout. Thread safe; free of locks while there is nothing to remember.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"

namespace kferry::proxy {

class FailedPlaces {
 public:
  static constexpr Duration lifetime = std::chrono::minutes(5);
  // The place that failed longest ago is forgotten first.
  static constexpr std::size_t places_max = 256;

  void failed(const HostPort& place, Instant now);
  void answered(const HostPort& place);
  // Those that have failed within `lifetime`, and not answered since.
  std::vector<HostPort> lately(Instant now);

 private:
  std::atomic<bool> any_ = false;
  std::mutex mutex_;
  std::vector<std::pair<HostPort, Instant>> places_;  // by time
};

}  // namespace kferry::proxy
