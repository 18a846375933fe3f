// Asks a cluster who its brokers are, on kferry's own behalf, so that ports are known before the first client comes.
// Only where the upstream needs no credentials, or the configuration has some that kferry can use (PLAIN, SCRAM). Runs
// at start (with backoff until it succeeds), every discovery_interval, and soon after a failed dial; each time on a
// fresh connection, to the bootstrap servers and then to a few listed brokers, one after another. A round has a budget,
// so that silent brokers do not delay the next one, which begins at the bootstrap servers again.
//
//   waiting ─▶ dialling ─▶ (SaslHandshake ─▶ SaslAuthenticate… ─▶) Metadata ─▶ learnt ─▶ leaving ─▶ waiting
//                 └◀── next address: no connection, no answer, or a useless one ◀──┘
//
// Lives on the first worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "connection/dialler.h"
#include "kafka/client_codec.h"
#include "proxy/own_connection.h"
#include "proxy/plan_view.h"
#include "proxy/sasl_client.h"
#include "proxy/topology.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class Discovery final : public OwnConnection {
 public:
  static bool possible(const config::Upstream& upstream);

  // Of one cluster of the view's plan. `first`: the token of the first of its operations; the kinds of the others
  // follow.
  Discovery(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster, ring::Token first);

  void start();
  // The last round has learnt the brokers, and no other one runs.
  bool calm() const { return idle() && backoff_ == Duration::zero(); }
  // Calm: continues under another plan, in which the cluster has the same upstream.
  void move_to(std::shared_ptr<PlanView> view, std::uint32_t cluster);
  // Runs again within a second or so, unless it is running.
  void soon();
  // Runs again now, or after the present round.
  void at_once();
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  // At the end of each turn: a key that was ordered may be here.
  void on_turn();
  void stop();

 private:
  // For the connect, and again from connected to the last answer.
  static constexpr Duration attempt_timeout = answer_timeout;
  // No attempt begins later in a round: the bootstrap servers, which are asked first, are then asked again.
  static constexpr Duration round_budget = std::chrono::seconds(10);
  // Known brokers asked in one round, where no bootstrap server answers.
  static constexpr std::size_t known_asked_max = 4;

  // What is asked.
  enum class Question : std::uint8_t { handshake, authenticate, metadata };

  // Dialler::Host
  void resolve(const HostPort& where) override;
  std::string_view why_not_dialled(const connection::Candidate& candidate, const SocketAddress& address,
                                   const SocketAddress& from) override;
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override;

  // OwnConnection
  void on_connected(ring::Socket socket) override;
  void on_answer(std::span<const std::byte> frame) override;
  void on_all_failed() override { end_round(false); }
  void on_left_upstream() override { end_round(true); }
  void on_idle_alarm() override { begin(); }
  void on_rejected() override { drop_sasl(); }
  void starve() override;
  std::string_view late_text() const override { return "timed out"; }
  std::string_view closed_text() const override {
    return question_ == Question::metadata ? "closed before it answered" : "closed during authentication";
  }

  void begin();
  void ask(std::vector<std::byte> request, Question question);
  void on_step(SaslClient::Step step);
  void drop_sasl();
  void on_metadata(std::span<const std::byte> frame);
  void note_other_cluster(kafka::MetadataAnswer answer);
  // Every bootstrap server that answered has reported one other cluster: it is learnt, if the topology follows.
  bool follow_other_cluster();
  // All candidates were tried, or one has answered.
  void end_round(bool learnt);

  ClusterState& cluster() const { return view_->cluster(cluster_); }
  const config::Cluster& config() const { return view_->cluster_config(cluster_); }

  Worker& worker_;
  std::shared_ptr<PlanView> view_;
  std::uint32_t cluster_;
  Question question_ = Question::metadata;  // the last one
  bool warned_ = false;
  std::int32_t correlation_id_ = 0;
  std::optional<SaslClient> sasl_;
  std::shared_ptr<KeyDerivation::Job> deriving_;  // valid while deriving
  Duration backoff_{};
  // What one server has said in this round that contradicts what is known, until another is asked.
  std::map<NodeId, HostPort> first_opinion_;
  // Another cluster that bootstrap servers have reported in this round.
  struct OtherCluster {
    kafka::MetadataAnswer answer;
    HostPort server;
  };
  std::optional<OtherCluster> other_;
  std::size_t bootstrap_asked_ = 0;   // bootstrap servers whose turn has come in this round
  bool again_ = false;                // another round follows this one at once
  bool disagreed_ = false;            // bootstrap servers, about the cluster
  SocketAddress first_opinion_from_;  // valid with an opinion
};

}  // namespace kferry::proxy
