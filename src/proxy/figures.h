// What all workers have counted, added up by name, and what the topologies say: the numbers of /metrics. Read from what
// the threads share, without asking any of them: a worker's turn never waits for it. Plain data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "proxy/counters.h"

namespace kferry::proxy {

struct Runtime;

struct DurationFigures {
  std::array<std::uint64_t, DurationCounter::buckets> counts{};  // by bound, not cumulative
  std::uint64_t sum_ns = 0;

  std::uint64_t total() const;
};

struct NodeFigures {
  std::uint64_t active = 0;
  std::uint64_t to_broker = 0;  // bytes
  std::uint64_t to_client = 0;  // bytes
};

struct PortFigures {
  std::size_t used = 0;      // lead to a known broker
  std::size_t free = 0;      // lead to no known broker
  std::size_t clashing = 0;  // brokers without a port of their own
};

struct ListenerFigures {
  std::uint64_t accepted = 0;
  std::uint64_t probes = 0;
  std::array<std::uint64_t, close_causes> closed{};
  std::uint64_t awaited = 0;  // requests that have an answer
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;  // their connection has ended
  std::map<std::string, NodeFigures> nodes{};
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> requests{};  // by counted_api(), version
  std::array<std::array<DurationFigures, request_parts>, timed_api_count> durations{};
  // By Authentication::mechanisms, then outcome.
  std::array<std::array<std::uint64_t, Authentication::outcomes>, Authentication::mechanisms.size()>
      authentications{};
  std::optional<PortFigures> ports{};  // of a listener of the plan in force that routes by port

  std::uint64_t active() const;
  std::uint64_t closed_in_all() const;
  // Never negative: the workers count on while this is read.
  std::uint64_t in_flight() const {
    return awaited > answered + unanswered ? awaited - answered - unanswered : 0;
  }
};

struct ClusterFigures {
  std::map<std::pair<std::string, DialOutcome>, std::uint64_t> dials{};  // by node
  DurationFigures dial_duration{};
  std::optional<Duration> topology_age{};  // nullopt: nothing has been learnt
};

struct Figures {
  std::map<std::pair<std::string, std::string>, ListenerFigures> listeners{};  // by cluster and name
  std::map<std::string, ClusterFigures> clusters{};
  std::uint64_t spliced_to_broker = 0;
  std::uint64_t spliced_to_client = 0;
  std::array<std::uint64_t, counted_apis> rewrites{};
  std::array<std::uint64_t, counted_apis> withheld{};
  // By side, version, outcome, resumed.
  std::map<std::tuple<std::size_t, std::size_t, std::size_t, bool>, std::uint64_t> handshakes{};
  std::array<std::uint64_t, 2> kernel_receives{};
  std::array<std::uint64_t, 2> kernel_sends{};
  std::uint64_t buffers_free = 0;
  std::uint64_t buffers_in_use = 0;
  std::uint64_t held_bytes = 0;
};

// Of a runtime whose workers turn. `now` is monotonic. Any thread.
Figures figures_of(const Runtime& runtime, Instant now);

}  // namespace kferry::proxy
