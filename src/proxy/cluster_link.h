// Between one client connection and what all workers know of its cluster: where the client has come, which broker its
// connection is carried to, what that broker's responses teach, and what the client is told instead.
//
//   responses ─▶ ClusterView ─▶ Topology ─▶ Place (routes of the listener) ─▶ the addresses that clients get
//
// Does no I/O. Lives on its worker's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/compact_text.h"
#include "base/ids.h"
#include "base/socket_address.h"
#include "connection/leg.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "proxy/broker_evidence.h"
#include "proxy/map_question.h"
#include "proxy/place.h"
#include "proxy/visitor.h"

namespace kferry::proxy {

class Worker;

class ClusterLink final : public kafka::ClusterView {
 public:
  // Of a client id, so much distinguishes clients and is shown in messages.
  static constexpr std::size_t client_id_kept_max = 64;

  // `worker` outlives the link.
  ClusterLink(Worker& worker, const Place& place, Visitor&& client)
      : worker_(worker),
        place_(place),
        client_address_(client.address),
        proxy_header_(std::move(client.header)),
        ticket_(std::move(client.ticket)) {}
  ~ClusterLink() override { evidence_.leave(place_.topology()); }

  Worker& worker() const { return worker_; }

  // --- the client
  Place& place() { return place_; }
  const Place& place() const { return place_; }
  const SocketAddress& client_address() const { return client_address_; }
  // What a load balancer has said of it; null: nothing.
  const net::ProxyHeader* proxy_header() const { return proxy_header_.get(); }
  // Of its first request.
  std::string_view client_id() const { return client_id_.view(); }
  void set_client_id(std::string_view id) { client_id_ = id.substr(0, client_id_kept_max); }
  // By what clients are told apart where a stand-in has refused them (proxy/pacing.h).
  std::string pacing_key() const;
  // The TLS that the listener speaks with it, null: plaintext. The policy of the listener that the client names goes to
  // the conversation, which outlives the transport.
  std::unique_ptr<connection::Transport> client_transport(ring::Socket client,
                                                          kafka::Conversation& conversation);
  // Who teaches the topology here.
  Teacher teacher() const { return evidence_.teacher(client_address_, client_id_.view()); }

  // --- the broker. Valid once opened.
  void opened(const connection::Candidate& broker);
  // What was dialled, in the topology's spelling once the broker there is known.
  const HostPort& dialled() const { return evidence_.dialled(); }
  // Who answers, as far as that is known by now; never forgotten.
  std::optional<NodeId> node();
  // The broker is the one that the client came for, or any broker will do and it is known which one this is.
  bool in_place() { return place_.leads_to(node()); }
  // True: names are being resolved to learn who answers; the answers go to on_resolved().
  bool wait_for_identity(const connection::Leg& broker);
  bool identifying() const { return evidence_.searching(); }
  void on_resolved(const connection::Leg& broker, std::span<const SocketAddress> addresses);

  // Bytes have come from the broker, or a request goes unanswered from now on.
  void heard(Instant at) { heard_at_ = at; }
  Instant heard_at() const { return heard_at_; }
  // As in BrokerEvidence. Cheap unless there is news.
  void note_answer(bool answered) {
    if (evidence_.is_news(heard_at_, answered)) tell_answer();
  }
  // As BrokerEvidence::Break says.
  void note_broken(bool answered, bool closed, const kafka::Conversation& conversation);
  void note_exact(CorrelationId request) { evidence_.note_exact(request); }
  bool limited() const { return evidence_.limited(); }

  // --- its question for the brokers
  MapQuestion& question() { return question_; }
  const MapQuestion& question() const { return question_; }
  void end_question() { question_.end(place_.cluster()); }

  // ClusterView
  bool learn(const kafka::BrokerList& list) override;
  std::string other_cluster_advice() const override;
  std::optional<HostPort> advertised(NodeId id) override;
  bool leaves_out() override;
  void left_out(ApiKey source, NodeId id) override;
  void hidden_api(ApiKey key) override;
  void deviates(ApiKey source, kafka::Deviation how) override;
  void denied(CorrelationId request) override;

 private:
  BrokerEvidence::Listeners listeners() const;
  void tell_answer();
  std::optional<Failure> admit();

  Worker& worker_;
  [[no_unique_address]] Place place_;  // the question fits behind it
  MapQuestion question_;
  BrokerEvidence evidence_;
  Instant heard_at_{};  // last byte from the broker, or when a request first went unanswered
  SocketAddress client_address_;
  std::unique_ptr<const net::ProxyHeader> proxy_header_;
  Admission::Ticket ticket_;
  CompactText client_id_;  // of the first request, or the beginning of it
};

}  // namespace kferry::proxy
