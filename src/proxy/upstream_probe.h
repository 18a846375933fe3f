// Asks whether one cluster's upstream answers: ApiVersions, which a broker answers before SASL, at one bootstrap server
// after another, through TLS where the upstream has it. So it works without credentials, where discovery cannot ask.
//
//   start() ─▶ round: dial ▸ ask ──answered──▶ content ──doubt()──▶ the next round, which also tries learnt brokers
//                ▲            └─every server failed─▶ waiting, 1 s doubling up to 30 s
//                └──────────────────────────────────────┘
//
// What it finds is ClusterState::upstream_answered and upstream_lost, and a log line when the latter changes. What the
// answer says is not believed: that something at a bootstrap server speaks Kafka is all that health needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "connection/deadline.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "net/rope.h"
#include "proxy/live_plan.h"
#include "ring/ring.h"

namespace kferry::proxy {

class UpstreamProbe final : private connection::Leg::Owner, private connection::Dialler::Host {
 public:
  // What the probes of one thread share. Outlives them.
  class Host {
   public:
    virtual connection::Leg::Shared& legs() = 0;
    // UpstreamProbe::on_resolved of the probe with this slot answers, with the question's number.
    virtual void resolve(std::uint32_t slot, std::uint32_t question, const HostPort& where) = 0;
    // UpstreamProbe::receive_again is to be called when buffers are free.
    virtual void starve(std::uint32_t slot) = 0;
    // As Runtime::why_not_dialled.
    virtual std::string_view why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                             const HostPort* learnt, const SocketAddress& from) = 0;
    virtual LogSink& log() = 0;

   protected:
    ~Host() = default;
  };

  // Kinds of operations, from 0.
  static constexpr std::uint16_t operations =
      connection::Leg::operations + 1 + connection::Dialler::operations;
  static constexpr Duration backoff_min = std::chrono::seconds(1);
  static constexpr Duration backoff_max = std::chrono::seconds(30);

  // Of a cluster of the plan. Its operations have `slot` in their tokens.
  UpstreamProbe(Host& host, std::shared_ptr<const LivePlan> live, std::uint32_t cluster, std::uint32_t slot);

  void start();
  // Asks again if the cluster's upstream was doubted since it last answered.
  void look_again();
  void on_resolved(std::uint32_t question, std::vector<SocketAddress> addresses, const std::string& error);
  void on_completion(const ring::Completion& completion);
  // Buffers are free again after starve().
  void receive_again();
  void stop();
  bool stopped() const;

 private:
  using Leg = connection::Leg;
  static constexpr std::uint16_t alarm_kind = Leg::operations;
  static constexpr std::uint16_t dial_kind = alarm_kind + 1;
  // Of the answer, once dialled.
  static constexpr Duration answer_timeout = std::chrono::seconds(5);

  enum class Stage : std::uint8_t {
    waiting,  // for the next round
    dialling,
    asking,
    leaving,  // answered; the connection is being closed
    content,  // nothing is asked
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

  const config::Cluster& config() const { return live_->plan->clusters()[cluster_].config; }
  ClusterState& state() const { return *live_->clusters[cluster_]; }
  Instant now() const { return host_.legs().ring.now(); }

  void set_alarm(Duration in);
  void on_alarm();
  void begin();
  void send_and_receive();
  void take_answer();
  void reject(std::string why);
  void on_answered();

  Host& host_;
  const std::shared_ptr<const LivePlan> live_;
  const std::uint32_t cluster_;
  const std::uint32_t slot_;
  Stage stage_ = Stage::waiting;
  bool alarm_wanted_ = false;
  connection::Deadline alarm_;
  connection::KernelTls no_kernel_tls_;
  net::Rope input_;
  net::Rope output_;
  Leg leg_;
  std::unique_ptr<connection::Dialler> dial_;  // null before the first round
  std::vector<std::byte> incoming_;            // of the answer
  Duration backoff_{};
  std::uint32_t question_ = 0;  // to the resolver, the last one: answers to others come too late
};

}  // namespace kferry::proxy
