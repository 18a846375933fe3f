// What one worker counts, for /metrics. The worker alone changes the numbers; figures.h reads and adds up those of all
// workers at any time, without the worker's help.
//
// Counters belong to names, not to plans: a listener that a later plan has as well continues to count, and what a
// removed one has counted stays. Nothing is ever freed while the runtime lives, so that pointers stay valid; what peers
// can make kferry remember is bounded by nodes_max.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/close_cause.h"
#include "base/counter.h"
#include "base/ids.h"
#include "kafka/api_keys.h"
#include "proxy/authentication.h"
#include "proxy/duration_counter.h"
#include "proxy/request_times.h"
#include "tls/engine.h"

namespace kferry::proxy {

// Where the time of a request goes: kferry_request_duration_seconds in operations/metrics_table.cc defines the parts.
enum class RequestPart : std::uint8_t { kferry, broker, client, end_ };
inline constexpr auto request_parts = static_cast<std::size_t>(RequestPart::end_);

// The APIs whose durations are counted apart; the rest counts together, at timed_apis.size().
inline constexpr std::array timed_apis = {
    kafka::key_of("Produce"),         kafka::key_of("Fetch"),        kafka::key_of("ListOffsets"),
    kafka::key_of("Metadata"),        kafka::key_of("OffsetCommit"), kafka::key_of("OffsetFetch"),
    kafka::key_of("FindCoordinator"), kafka::key_of("JoinGroup"),    kafka::key_of("Heartbeat"),
    kafka::key_of("SyncGroup"),       kafka::key_of("ApiVersions"),  kafka::key_of("SaslAuthenticate")};
inline constexpr std::size_t timed_api_count = timed_apis.size() + 1;

// APIs by key, and one place more for those that Kafka does not have, such as vendors' own.
inline constexpr std::size_t counted_apis = kafka::api_names.size() + 1;
inline std::size_t counted_api(ApiKey key) {
  const auto index = static_cast<std::size_t>(number(key));
  return index < kafka::api_names.size() ? index : kafka::api_names.size();
}
std::string_view counted_api_name(std::size_t index);  // "other" for the last

inline constexpr auto timed_api_of = [] {
  std::array<std::uint8_t, counted_apis> places{};
  places.fill(timed_apis.size());
  for (std::uint8_t place = 0; place < timed_apis.size(); ++place)
    places[static_cast<std::size_t>(number(timed_apis[place]))] = place;
  return places;
}();
inline std::uint8_t timed_api(ApiKey key) {
  return timed_api_of[counted_api(key)];
}
std::string_view timed_api_name(std::size_t index);  // "other" for the last

class ListenerCounters;
class WorkerCounters;

// The connections of a listener that lead to one broker, to a bootstrap server, or elsewhere.
struct NodeCounters {
  NodeCounters(ListenerCounters& of, std::string node_name) : listener(of), name(std::move(node_name)) {}

  ListenerCounters& listener;
  const std::string name;  // the label `node`
  Counter active;
  Counter to_broker;  // bytes
  Counter to_client;  // bytes
};

class ListenerCounters {
 public:
  // The name of none(), which is shown even where nothing was counted, so that a listener has a series from the start.
  static constexpr std::string_view no_node = "none";
  // Brokers beyond these count together, as "other".
  static constexpr std::size_t nodes_max = 1024;
  // Later versions of an API count as the last one.
  static constexpr std::size_t versions_max = 32;
  using Versions = std::array<Counter, versions_max>;

  // `of` outlives it.
  ListenerCounters(WorkerCounters& of, std::string cluster_name, std::string listener_name);
  ~ListenerCounters();
  ListenerCounters(const ListenerCounters&) = delete;
  ListenerCounters& operator=(const ListenerCounters&) = delete;

  // --- the worker
  NodeCounters& none() { return *nodes_[0]; }
  NodeCounters& bootstrap() { return *nodes_[1]; }
  NodeCounters& stand_in() { return *nodes_[2]; }
  NodeCounters& node(NodeId id);
  void count_request(ApiKey key, ApiVersion version) {
    Versions* versions = requests_[counted_api(key)].load(std::memory_order_relaxed);
    if (versions == nullptr) versions = first_request(key);
    const auto index = static_cast<std::size_t>(version);
    (*versions)[index < versions_max ? index : versions_max - 1].add();
  }
  void count_duration(std::size_t api, RequestPart part, Ticks duration) {
    durations_[api][static_cast<std::size_t>(part)].add_ticks(duration);
  }

  // --- any thread
  std::vector<const NodeCounters*> nodes() const;
  // Null: no request of this API has come.
  const Versions* requests(std::size_t api) const { return requests_[api].load(std::memory_order_acquire); }
  const DurationCounter& durations(std::size_t api, RequestPart part) const {
    return durations_[api][static_cast<std::size_t>(part)];
  }

  WorkerCounters& worker;
  const std::string cluster;
  const std::string name;
  Counter accepted;
  Counter probes;
  std::array<Counter, close_causes> closed;
  Counter awaited;     // requests that have an answer
  Counter answered;    // of those
  Counter unanswered;  // of those, by the end of their connection
  using Authentications =
      std::array<std::array<Counter, Authentication::outcomes>, Authentication::mechanisms.size()>;
  Authentications authentications;

 private:
  Versions* first_request(ApiKey key);

  std::array<std::atomic<Versions*>, counted_apis> requests_{};  // owned
  std::array<std::array<DurationCounter, request_parts>, timed_api_count> durations_;
  std::unordered_map<std::int32_t, NodeCounters*> by_id_;  // the worker's own
  mutable std::mutex mutex_;                               // of the vector, not of what it points to
  std::vector<std::unique_ptr<NodeCounters>> nodes_;       // none, bootstrap, stand_in, other, brokers
};

enum class DialOutcome : std::uint8_t { connected, unreachable, host_lacks, abandoned, end_ };
inline constexpr auto dial_outcomes = static_cast<std::size_t>(DialOutcome::end_);
inline constexpr std::array<std::string_view, dial_outcomes> dial_outcome_names = {"connected", "unreachable",
                                                                                   "host_lacks", "abandoned"};

class ClusterCounters {
 public:
  struct Node {
    explicit Node(std::string node_name) : name(std::move(node_name)) {}
    const std::string name;
    std::array<Counter, dial_outcomes> dials;
  };

  explicit ClusterCounters(std::string cluster_name);
  ClusterCounters(const ClusterCounters&) = delete;
  ClusterCounters& operator=(const ClusterCounters&) = delete;

  // The worker. nullopt: a bootstrap server.
  void count_dial(std::optional<NodeId> node, DialOutcome outcome);
  // Any thread.
  std::vector<const Node*> nodes() const;

  const std::string name;
  DurationCounter dial_duration;

 private:
  std::unordered_map<std::int32_t, Node*> by_id_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Node>> nodes_;  // bootstrap, other, brokers
};

// Of TLS handshakes.
struct HandshakeCounters {
  enum Side : std::uint8_t { client, broker, sides };
  enum Version : std::uint8_t { unknown, tls_1_2, tls_1_3, versions };
  enum Outcome : std::uint8_t { complete, failed, outcomes };
  static constexpr std::array<std::string_view, sides> side_names = {"client", "broker"};
  static constexpr std::array<std::string_view, versions> version_names = {"unknown", "1.2", "1.3"};
  static constexpr std::array<std::string_view, outcomes> outcome_names = {"complete", "failed"};

  void count_complete(Side side, const tls::Engine& engine);
  void count_failed(Side side) { counts[side][unknown][failed][0].add(); }

  // The last index: whether a session was resumed.
  std::array<std::array<std::array<std::array<Counter, 2>, outcomes>, versions>, sides> counts;
};

// The worker's time for what it measures, both read by it alone.
struct TurnClock {
  Ticks turn = 0;    // when the worker woke up: what completed has happened by then
  Ticks moment = 0;  // a little before now, also late in a long turn
};

class WorkerCounters {
 public:
  WorkerCounters() : nowhere_(*this, "", "") {}
  WorkerCounters(const WorkerCounters&) = delete;
  WorkerCounters& operator=(const WorkerCounters&) = delete;

  // The worker, when it sees a plan for the first time.
  ListenerCounters& listener(std::string_view cluster, std::string_view name);
  ClusterCounters& cluster(std::string_view name);
  // Of sessions whose listener is not known yet; not shown.
  ListenerCounters& nowhere() { return nowhere_; }
  TurnClock clock;
  RequestTimesPool times;
  // Any thread.
  std::vector<const ListenerCounters*> listeners() const;
  std::vector<const ClusterCounters*> clusters() const;

  Counter spliced_to_broker;  // bytes
  Counter spliced_to_client;  // bytes
  std::array<Counter, counted_apis> rewrites;
  std::array<Counter, counted_apis> withheld;  // brokers left out
  HandshakeCounters handshakes;
  // Connections whose records the kernel reads or writes, by side: client, broker.
  std::array<Counter, 2> kernel_receives;
  std::array<Counter, 2> kernel_sends;
  // As of the worker's last look.
  Counter buffers_free;
  Counter buffers_in_use;
  Counter held_bytes;

 private:
  ListenerCounters nowhere_;
  mutable std::mutex mutex_;  // of the vectors
  std::vector<std::unique_ptr<ListenerCounters>> listeners_;
  std::vector<std::unique_ptr<ClusterCounters>> clusters_;
};

}  // namespace kferry::proxy
