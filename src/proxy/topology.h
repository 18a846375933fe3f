// What is known of one upstream cluster: its id, its brokers, and where each of them is now. Learnt from responses
// that pass and from kferry's own discovery; never stored. Shared by all workers, so that one answer, meant for one
// client, must not be able to move a broker for all.
//
//   the first full list                        is believed
//   full list (Metadata, DescribeCluster)      unlists a broker that it lacks and that has not answered for
//                                              answered_recently, or not since a dial to it failed; an empty one says
//                                              nothing
//   its address is another id's in such a list  it is replaced, which unlists it, where connections there broke
//                                              lately as in (c), or two servers say so as in (a)
//   partial list (FindCoordinator, endpoints)  introduces brokers; moves and unlists none
//   a new id                                   is provisional: it takes no port from another broker, and lapses
//                                              after provisional_lifetime unless another client's full list names it
//   another address for a known id             is a claim (proxy/claims.h), followed when
//     (a) two servers, asked by kferry's own discovery in one round, name it
//     (b) a connection to the known address brought no Kafka response, and one to the claimed address did; the
//         claimed address is then the broker's candidate, which is dialled first
//     (c) the same list gives the known address to another broker, and another client's connection there broke lately:
//         known addresses are exchanged, a new one is a candidate as in (b)
//     (d) the broker at the known address says that it is another one (error 129 in ApiVersions 5)
//     (e) full lists for two clients, from two brokers if there are several, have named it for settled_after, and
//         none the known address
//   another cluster id                         ends its connection and teaches nothing. It is followed, and what was
//                                              known becomes a claim, when every bootstrap server that answers
//                                              discovery reports it, or, where only traffic teaches, when two
//                                              clients' connections to bootstrap servers do and none there has
//                                              reported the known id since the first, or one does while no known
//                                              address gives a Kafka response
//
// Forgotten is a broker that no full list has named for unlisted_lifetime, and before that the one that has been
// unlisted for the longest time, when others need its place among the brokers_max.
//
// Thread safety: every function may be called from any thread. Readers hold an immutable Snapshot. Lists and evidence
// are merged one at a time, in n log n steps for n brokers, outside the lock that readers and dials take.
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
#include "proxy/broker_list.h"
#include "proxy/claims.h"
#include "proxy/reach.h"

namespace kferry::proxy {

struct Node {
  NodeId id{};
  HostPort address;  // canonical
  // Dialled before `address`: a full list has named it, and a connection to `address` brought no Kafka response.
  std::optional<HostPort> candidate;
  bool listed = true;
  bool provisional = false;  // one client's answer alone has named it
  bool returning = false;    // provisional, but confirmed before: other provisional ones take no port from it

  // False while answers disagree about a provisional broker: any of them may lie.
  bool dialable() const { return listed || !provisional; }

  friend bool operator==(const Node&, const Node&) = default;
};

struct Snapshot {
  std::uint64_t version = 0;
  std::string cluster_id;   // empty: not learnt
  std::vector<Node> nodes;  // by id

  const Node* find(NodeId id) const;
  // The node listed at this address, in any spelling, if any. A search in an index once published.
  const Node* at(const HostPort& address) const;
  // The first node, listed or not, that is at this canonical address and that `applies` accepts.
  const Node* first_at(const HostPort& address, const std::function<bool(const Node&)>& applies) const;
  void index();

 private:
  std::vector<std::pair<std::size_t, std::uint32_t>>
      by_address_;  // hashes of addresses, places; once published
};

// What is known about the connection that a response came on. Owned by that connection.
struct Origin {
  bool bootstrap = false;  // dialled at a bootstrap server rather than at a learnt address
  bool confirmed = false;  // has reported the learnt cluster id
};

class Topology {
 public:
  // Called with the new snapshot by one thread at a time; must not call back.
  using OnPublish = std::function<void(const Snapshot&)>;

  Topology(std::string cluster_name, LogSink& log) : name_(std::move(cluster_name)), log_(log) {}

  // Both are set before any thread uses the topology.
  void on_publish(OnPublish callback) { on_publish_ = std::move(callback); }
  // Called whenever version() changes; must not call back.
  void on_change(std::function<void()> callback) { on_change_ = std::move(callback); }
  // Why a learnt address literal is never dialled, for messages; empty: it may be.
  using Guard = std::function<std::string_view(const SocketAddress&)>;
  void set_guard(Guard guard) { guard_ = std::move(guard); }

  // More brokers are not learnt from now on.
  void limit_brokers(std::size_t max) { brokers_max_ = max; }

  // When a full list last said what is known, or changed it; nullopt: never. Cheap, for metrics.
  std::optional<Instant> heard_at() const {
    const Instant at{Duration(heard_at_.load(std::memory_order_relaxed))};
    return at == Instant{} ? std::nullopt : std::optional(at);
  }

  // At start: `known` is what a predecessor has learnt, without provisional brokers, in any order.
  void restore(Snapshot known, Instant now);
  // Lets every worker's sessions reconsider, though nothing was learnt.
  void wake();

  enum class Lesson : std::uint8_t {
    learnt,
    contested,      // not everything was followed: kferry's own discovery should ask
    other_cluster,  // the list is of another cluster; nothing was learnt
  };
  Lesson learn(const kafka::BrokerList& list, Origin& origin, const Teacher& teacher, Instant now);

  // Evidence about an address at which the node was dialled. A Kafka response came on a connection there:
  void answered(NodeId id, const HostPort& address, Instant now);
  enum class Break : std::uint8_t {
    not_connected,  // the network or TLS failed
    // The broker ended or ignored a connection before its first response, which a client can provoke.
    unanswered,
    cut,  // the broker ended a connection that it had answered on
  };
  // `client`: Teacher::client() of the connection's.
  void broken(NodeId id, const HostPort& address, Break how, std::uint64_t client, Instant now);
  // The node's broker at this address has denied being that node.
  void denied(NodeId id, const HostPort& address, Instant now);

  // True when another cluster has answered, and no bootstrap server has reported the known id since: then only
  // bootstrap servers can say which cluster this is.
  bool in_doubt(Instant now) const;
  // A bootstrap server's name leads elsewhere than before: clients are sent to the bootstrap servers until one of them
  // reports the known cluster, or two sessions there report another one.
  void bootstrap_moved(Instant now);
  // False: another cluster id is never followed.
  void follow_cluster_changes(bool follow) { follows_ = follow; }

  std::shared_ptr<const Snapshot> snapshot() const;
  // Changes with every publication and with reached(); cheap enough for the top of every loop.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Outcome of a dial to a node.
  void dial_succeeded(NodeId id);
  void dial_failed(NodeId id, Instant now);
  // The dial ended without saying anything about the broker: this host lacked something, or the client left.
  void dial_abandoned(NodeId id, Instant now);
  // Whether a client may dial the node now, or its place in the queue (proxy/reach.h).
  Reach::Turn admit_dial(NodeId id, Instant now, Reach::Waiter waiter);
  void leave_queue(NodeId id, Reach::Waiter waiter, Instant now);
  // A connection to the node at this address, which has answered, is open from now on, and is no longer.
  void attach(NodeId id, const HostPort& address);
  void detach(NodeId id, const HostPort& address);
  // True while connections to the node at this address are open that have answered, and none there has been cut since
  // the last answer.
  bool answers(NodeId id, const HostPort& address);
  // True when the last dial to the node succeeded.
  bool reached(NodeId id) const;

  // How long the word of a bootstrap server for another cluster counts.
  static constexpr Duration other_cluster_lifetime = std::chrono::minutes(5);
  // How long one such answer leaves the cluster in doubt, and how soon after a confirmation one may do so again.
  static constexpr Duration in_doubt_for = std::chrono::seconds(10);
  static constexpr Duration doubt_interval = std::chrono::seconds(60);
  static constexpr Duration answered_recently = std::chrono::seconds(30);
  static constexpr Duration broken_lately = std::chrono::seconds(60);
  static constexpr Duration settled_after = std::chrono::seconds(10);
  static constexpr Duration provisional_lifetime = std::chrono::minutes(5);
  static constexpr std::size_t provisional_max = 256;
  // How long a broker is remembered that no full list names any more, and how often that is looked after.
  static constexpr Duration unlisted_lifetime = std::chrono::hours(24);
  static constexpr Duration tidy_interval = std::chrono::minutes(10);
  // Claims of one list that are reported one by one.
  static constexpr std::size_t claim_lines_max = 8;
  // Discovery is asked to judge contested answers at most this often.
  static constexpr Duration contest_interval = std::chrono::seconds(10);

 private:
  // The snapshot under change: copied when first changed.
  struct Draft {
    const Snapshot& known;
    std::optional<Snapshot> next{};

    std::map<HostPort, NodeId> moved{};  // nodes that have moved here in this draft

    const Snapshot& view() const { return next ? *next : known; }
    Snapshot& edit();
    Node& edit(NodeId id);  // which view() has
    // As Snapshot::at() of view(), for a canonical address.
    const Node* at(const HostPort& address) const;
  };
  // One list being learnt.
  struct Lecture {
    const kafka::BrokerList& list;
    const CleanList& named;
    const Teacher& teacher;
    const Instant now;
    Draft draft;
    bool first = false;  // nothing is known yet: the list is believed
    bool contested = false;
    std::size_t claims_reported = 0;
    std::vector<const NamedBroker*> unknown{};
    std::vector<Node> added{};
    std::vector<Node> former{};           // of the cluster that is followed no more, by id
    std::vector<NamedBroker> swaps{};     // moves that hold only together
    std::map<HostPort, NodeId> places{};  // of the list; filled when first needed
  };

  // topology_cluster.cc
  bool accept_cluster(Lecture& lecture, Origin& origin);
  void confirm(Origin& origin, Instant now);
  void note_confirmed(Origin& origin, Instant now);
  bool may_follow(Lecture& lecture, const Origin& origin, const std::string& id);
  void follow(Lecture& lecture, const std::string& id);

  // topology_learning.cc
  bool repeats(const kafka::BrokerList& list, Origin& origin, Instant now);
  void report_too_many(const Lecture& lecture, std::string_view what);
  Lesson merge(Lecture& lecture, Origin& origin);
  void introduce_unknown(Lecture& lecture);
  void introduce(Lecture& lecture, const NamedBroker& named, bool believed);
  void hear(Lecture& lecture, std::size_t index, const NamedBroker& named);
  // Null unless the node is known, at this address. The caller has `merging_`.
  BrokerRecord* record_at(NodeId id, const HostPort& address);
  void hear_same_address(Lecture& lecture, std::size_t index, BrokerRecord& record);
  void hear_claim(Lecture& lecture, std::size_t index, BrokerRecord& record, const NamedBroker& named);
  void hear_absence(Lecture& lecture, std::size_t index);
  void hear_replacements(Lecture& lecture);
  bool swapped(Lecture& lecture, const Node& node, const BrokerRecord& record);
  bool broke_for_others(const Lecture& lecture, const BrokerRecord& record) const;
  void apply_swaps(Lecture& lecture);
  void move(Draft& draft, NodeId id, const HostPort& to, const std::string& by, std::string_view why);
  void report_claim(Lecture& lecture, const Node& node, const BrokerRecord& record, Claim& claim,
                    std::string_view why);
  void report_other_claims(const Lecture& lecture);
  std::string_view why_never(const HostPort& address) const;

  // topology_forgetting.cc
  void lapse(Lecture& lecture);
  void tidy(Lecture& lecture);
  void make_room(Lecture& lecture, std::size_t wanted);
  template <typename Forgotten>
  void forget(Snapshot& next, const Forgotten& forgotten);
  void forget_reach(NodeId id);

  // topology_evidence.cc
  // Shows the best claim as the candidate of a doubted node, or hides one that is used up.
  void choose_candidate(Draft& draft, NodeId id, BrokerRecord& record, Instant now);
  // Applies evidence about a node to the draft and its record, unless the node is unknown, and publishes what changed.
  template <typename Apply>
  void weigh(NodeId id, const Apply& apply);
  void publish_if_changed(Draft& draft);

  void note_heard(Instant now) { heard_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }
  void publish(Snapshot next);
  void changed();

  const std::string name_;
  LogSink& log_;
  OnPublish on_publish_;
  Guard guard_;
  std::function<void()> on_change_;
  std::atomic<std::size_t> brokers_max_ = 4096;
  // Held for a moment. Guards the snapshot, the reach and what in_doubt() reads.
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  std::atomic<std::uint64_t> version_ = 0;
  std::atomic<Instant::rep> heard_at_ = 0;
  std::map<NodeId, Reach> reach_;  // of nodes in the snapshot
  // Another cluster answered; no bootstrap server has confirmed the known one.
  std::optional<Instant> contradicted_at_;
  // A bootstrap server's name led elsewhere; no bootstrap server has answered since.
  std::optional<Instant> moved_at_;
  std::optional<Instant> confirmed_at_;  // by a bootstrap server
  Instant tidy_at_{};

  // Held while one list or piece of evidence is merged; taken before mutex_. Guards the rest.
  std::mutex merging_;
  std::atomic<bool> quiet_ = true;          // nothing is provisional, claimed or in doubt
  std::map<NodeId, BrokerRecord> records_;  // of nodes in the snapshot
  std::size_t provisional_ = 0;             // nodes in the snapshot
  bool claimed_ = false;                    // some record may have claims
  Instant may_contest_at_{};
  std::optional<Instant> too_long_reported_at_;
  // Another cluster that bootstrap servers have reported to clients, unopposed so far.
  struct OtherCluster {
    std::string id;
    std::uint64_t client = 0;  // the first
    Instant at{};
    std::string by;
  };
  std::optional<OtherCluster> other_;
  std::optional<Instant> refusal_reported_at_;
  std::atomic<bool> follows_ = true;
};

}  // namespace kferry::proxy
