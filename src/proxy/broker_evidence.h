// Who answers on the connection that a session has dialled, and what that connection proves: the topology, the guard
// against loops and the log are told of its first answer, of its break, and of a denial.
//
//   opened() ─▶ the node that was dialled, or a bootstrap server ─identify(), search()▶ a node, never forgotten
//
// Does no I/O. Lives on its worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "connection/dialler.h"
#include "kafka/conversation.h"
#include "proxy/cluster_state.h"
#include "proxy/doubts.h"
#include "proxy/loop_guard.h"
#include "proxy/name_search.h"

namespace kferry::proxy {

class BrokerEvidence {
 public:
  // The topology hears of a connection's answers at most this often, so that a busy one costs nothing and yet counts.
  static constexpr Duration answer_interval = std::chrono::seconds(10);
  static_assert(answer_interval < Topology::answered_recently);

  // Who hears of the evidence.
  struct Listeners {
    ClusterState& cluster;
    LoopGuard& loops;
    LogSink& log;
    Doubts& doubts;
  };

  // The connection has been made.
  void opened(const connection::Candidate& broker, LoopGuard& loops);

  // --- who answers
  // What was dialled, in the topology's spelling once the broker there is known. Valid once opened.
  const HostPort& dialled() const { return dialled_; }
  // nullopt: not known.
  std::optional<NodeId> node() const { return node_; }
  // By name: the address that was dialled is a listed broker's. Where several brokers share it, as behind a balancer,
  // `own` is as good as any.
  void identify(const Snapshot& snapshot, std::optional<NodeId> own);
  // By address, once for each connection and on a plaintext upstream only (NameSearch): `here` is the socket's address.
  void search(const SocketAddress& here, const Snapshot& snapshot);
  bool may_search() const { return search_ == nullptr && !node_; }
  bool searching() const { return search_ != nullptr && search_->running(); }
  // To be resolved, and answered by on_resolved(). Valid while searching.
  const HostPort& name_to_resolve() const { return search_->next(); }
  void on_resolved(std::span<const SocketAddress> addresses, const Snapshot& snapshot);

  // --- what is proven
  // Who teaches the topology by this connection's answers. Refers to the arguments.
  Teacher teacher(const SocketAddress& client_address, std::string_view client_id) const;
  Origin& origin() { return origin_; }
  // An answer that came at `heard_at` is worth a note_answer(). Cheap, for the hot path. `answered`: it was a Kafka
  // response.
  bool is_news(Instant heard_at, bool answered) const {
    return heard_at >= note_answers_at_ && (node_ || heard_ == Heard::nothing) && answered;
  }
  void note_answer(Instant heard_at, const Listeners& to);
  struct Break {
    bool answered;    // a Kafka response came before
    bool closed;      // by the broker; else it said nothing until its client left
    bool sasl_first;  // the upstream answers nothing but ApiVersions before SASL
  };
  // The broker, not the client, ended this connection, or never answered on it. `client`: Teacher::client().
  void note_broken(const Break& how, const kafka::Conversation& conversation, std::uint64_t client,
                   Instant now, const Listeners& to);
  // The connection counts no longer among those that are open. To be called before the end of its life.
  void leave(Topology& topology);
  // The broker refuses connections by a limit of its own, and that has ended this one.
  bool limited() const { return end_ == End::limited; }
  // The client's request names exactly the learnt cluster and the broker that should be here.
  void note_exact(CorrelationId request) { exactly_asked_ = request; }
  // The broker says of this request that it is another broker (error 129). A client that named another cluster or
  // broker would only have itself to blame.
  void note_denied(CorrelationId request, Instant now, const Listeners& to);

 private:
  enum class Heard : std::uint8_t {
    nothing,   // the guard against loops counts this connection
    answered,  // a Kafka response has come, or nothing is connected
    attached,  // as answered, and the topology counts it among the node's open connections
  };
  // How the connection ended, as far as the topology knows.
  enum class End : std::uint8_t { none, broken, limited };

  [[no_unique_address]] HostPort dialled_;  // the origin fits behind it
  Origin origin_;
  Heard heard_ = Heard::answered;
  End end_ = End::none;
  std::optional<NodeId> node_;
  std::optional<CorrelationId> exactly_asked_;
  Instant note_answers_at_{};           // from then on, the topology is told of an answer here
  std::unique_ptr<NameSearch> search_;  // null: not begun
};

}  // namespace kferry::proxy
