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
#include "connection/deadline.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "kafka/client_codec.h"
#include "net/rope.h"
#include "proxy/plan_view.h"
#include "proxy/sasl_client.h"
#include "proxy/topology.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class Discovery final : private connection::Leg::Owner, private connection::Dialler::Host {
 public:
  // Kinds of operations, counted from the constructor's token.
  static constexpr std::uint16_t operations =
      connection::Leg::operations + 1 + connection::Dialler::operations;

  static bool possible(const config::Upstream& upstream);

  // Of one cluster of the view's plan. `first`: the token of the first of its operations; the kinds of the others
  // follow.
  Discovery(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster, ring::Token first);

  void start();
  // Runs again within a second or so, unless it is running.
  void soon();
  // Runs again now, or after the present round.
  void at_once();
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  // `kind` counts from the constructor's.
  void on_completion(std::uint16_t kind, const ring::Completion& completion);
  // At the end of each turn: a key that was ordered may be here.
  void on_turn();
  // Buffers are free again after a receive found none.
  void receive_again();
  void stop();
  bool stopped() const {
    return stage_ == Stage::stopped && leg_.outstanding() == 0 && !alarm_.armed() &&
           (dial_ == nullptr || dial_->outstanding() == 0);
  }

 private:
  using Leg = connection::Leg;

  // From connected to the last answer, and again for the connect.
  static constexpr Duration attempt_timeout = std::chrono::seconds(5);
  // No attempt begins later in a round: the bootstrap servers, which are asked first, are then asked again.
  static constexpr Duration round_budget = std::chrono::seconds(20);
  // Known brokers asked in one round, where no bootstrap server answers.
  static constexpr std::size_t known_asked_max = 4;
  static constexpr std::uint16_t alarm_kind = Leg::operations;
  static constexpr std::uint16_t dial_kind = alarm_kind + 1;

  enum class Stage : std::uint8_t {
    waiting,  // for the next round
    dialling,
    handshake,
    authenticate,
    deriving,  // a key, on another thread, for the next authenticate
    metadata,
    leaving,  // the cluster was learnt; the connection is being closed
    stopped,
  };

  // Leg::Owner, once dialled
  void on_input(Leg& leg) override;
  void on_output(Leg& leg) override;
  void on_break(Leg& leg, const Leg::Break& what) override;
  void on_starved(Leg& leg) override;
  void on_left(Leg& leg) override;

  // Dialler::Host
  void resolve(const HostPort& where) override;
  std::string_view why_not_dialled(const connection::Candidate& candidate, const SocketAddress& address,
                                   const SocketAddress& from) override;
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override;
  void set_dial_deadline(Duration in) override;
  void clear_dial_deadline() override;
  void on_dial_starved() override;
  void on_dialled(const connection::Candidate& candidate) override;
  void on_not_dialled(int local_error) override;

  bool asking() const { return stage_ >= Stage::handshake && stage_ <= Stage::metadata; }
  void set_alarm(Duration in);
  void on_alarm();
  void begin();
  void ask(std::vector<std::byte> request, Stage stage);
  void take_answer();
  void on_answer(std::span<const std::byte> frame);
  void on_step(SaslClient::Step step);
  void drop_sasl();
  void on_metadata(std::span<const std::byte> frame);
  void note_other_cluster(kafka::MetadataAnswer answer);
  // Every bootstrap server that answered has reported one other cluster: it is learnt, if the topology follows.
  bool follow_other_cluster();
  // This connection is useless: on to the next address.
  void reject(std::string why);
  // All candidates were tried, or one has answered.
  void end_round(bool learnt);

  ClusterState& cluster() const { return view_->cluster(cluster_); }
  const config::Cluster& config() const { return view_->cluster_config(cluster_); }

  Worker& worker_;
  const std::shared_ptr<PlanView> view_;
  const std::uint32_t cluster_;
  Stage stage_ = Stage::waiting;
  bool alarm_wanted_ = false;
  bool warned_ = false;
  connection::Deadline alarm_;
  connection::KernelTls no_kernel_tls_;
  net::Rope input_;
  net::Rope output_;
  Leg leg_;
  std::unique_ptr<connection::Dialler> dial_;  // null while waiting
  std::vector<std::byte> incoming_;            // of the next answer
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
