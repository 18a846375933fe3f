// What is known of one upstream cluster: its id, its brokers, and where each of them is now. Learnt from responses
// that pass and from kferry's own discovery; never stored. Shared by all workers.
//
//   full list (Metadata, DescribeCluster)      says who is live: a node missing from it keeps its last address,
//                                              unlisted
//   partial list (FindCoordinator, endpoints)  adds addresses, removes none
//   another cluster id                         ends the connection and teaches nothing; dialled at a bootstrap
//                                              server and unopposed for rebuilt_after, the topology begins anew
//
// Thread safety: every function may be called from any thread. Readers hold an immutable Snapshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/log_sink.h"
#include "kafka/cluster_view.h"

namespace kferry::proxy {

struct Node {
  NodeId id{};
  HostPort address;
  // Where it was before, until a dial to `address` has succeeded: a lagging broker's Metadata may be older.
  std::optional<HostPort> previous;
  bool listed = true;

  friend bool operator==(const Node&, const Node&) = default;
};

struct Snapshot {
  std::uint64_t version = 0;
  std::string cluster_id;   // empty: not learnt
  std::vector<Node> nodes;  // by id

  const Node* find(NodeId id) const;
  // The node listed at exactly this address, if any.
  const Node* at(const HostPort& address) const;
};

// What is known about the connection that a response came on. Owned by that connection.
struct Origin {
  bool bootstrap = false;  // dialled at a bootstrap server rather than at a learnt address
  bool confirmed = false;  // has reported the learnt cluster id
};

class Topology {
 public:
  // Called under the lock, with the new snapshot; must not call back.
  using OnPublish = std::function<void(const Snapshot&)>;

  Topology(std::string cluster_name, LogSink& log) : name_(std::move(cluster_name)), log_(log) {}

  // Both are set before any thread uses the topology.
  void on_publish(OnPublish callback) { on_publish_ = std::move(callback); }
  // Called, under the lock, whenever version() changes.
  void on_change(std::function<void()> callback) { on_change_ = std::move(callback); }

  // False: the list is of another cluster; nothing was learnt.
  bool learn(const kafka::BrokerList& list, Origin& origin, Instant now);
  // True when another cluster has answered at a learnt address and nothing has confirmed the learnt id for
  // rebuilt_after: then only a bootstrap server can say which cluster this is.
  bool in_doubt(Instant now) const;

  std::shared_ptr<const Snapshot> snapshot() const;
  // Changes with every publication and with reached(); cheap enough for the top of every loop.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Outcome of a dial to a node's `address`.
  void dial_succeeded(NodeId id, const HostPort& address);
  void dial_failed(NodeId id, Instant now);
  // False within the backoff (1 s rising to 10 s) after a failed dial.
  bool may_dial(NodeId id, Instant now) const;
  // True when the last dial to the node succeeded.
  bool reached(NodeId id) const;

  static constexpr Duration rebuilt_after = std::chrono::seconds(60);
  static constexpr Duration backoff_min = std::chrono::seconds(1);
  static constexpr Duration backoff_max = std::chrono::seconds(10);

 private:
  struct Reach {
    bool reached = false;
    Duration backoff{};
    Instant not_before{};
  };

  bool accept_cluster(const kafka::BrokerList& list, Origin& origin, Instant now, Snapshot& next,
                      bool& changed);
  void publish(Snapshot next);
  void changed();

  const std::string name_;
  LogSink& log_;
  OnPublish on_publish_;
  std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  std::atomic<std::uint64_t> version_ = 0;
  std::map<NodeId, Reach> reach_;
  Instant confirmed_at_{};
  Instant contradicted_at_{};
};

}  // namespace kferry::proxy
