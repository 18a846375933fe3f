// Asks whether one cluster's upstream answers: ApiVersions, which a broker answers before SASL, at one bootstrap server
// after another, through TLS where the upstream has it. So it works without credentials, where discovery cannot ask.
//
//   start() ─▶ round: dial ▸ ask ──answered──▶ content ──doubt()──▶ the next round, which also tries learnt brokers
//                ▲            └─every server failed─▶ waiting, 1 s doubling up to 30 s
//                └──────────────────────────────────────┘
//
// A place that the loop guard suspects (proxy/loop_guard.h) is asked beside the rounds, alone. Every question has a
// mark of its own in its client id, so that one which comes back to kferry is known.
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
#include "connection/dialler.h"
#include "connection/leg.h"
#include "proxy/live_plan.h"
#include "proxy/loop_guard.h"
#include "proxy/own_connection.h"
#include "ring/ring.h"

namespace kferry::proxy {

class UpstreamProbe final : public OwnConnection {
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
    virtual LoopGuard& loops() = 0;
    virtual LogSink& log() = 0;

   protected:
    ~Host() = default;
  };

  static constexpr Duration backoff_min = std::chrono::seconds(1);
  static constexpr Duration backoff_max = std::chrono::seconds(30);

  // Of a cluster of the plan. Its operations have `slot` in their tokens.
  UpstreamProbe(Host& host, std::shared_ptr<const LivePlan> live, std::uint32_t cluster, std::uint32_t slot);

  void start();
  // Asks again if the cluster's upstream was doubted since it last answered, or a place of it is suspected.
  void look_again();
  void on_resolved(std::uint32_t question, std::vector<SocketAddress> addresses, const std::string& error);

 private:
  // Dialler::Host
  void resolve(const HostPort& where) override;
  std::string_view why_not_dialled(const connection::Candidate& candidate, const SocketAddress& address,
                                   const SocketAddress& from) override;
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override;

  // OwnConnection
  void on_connected(ring::Socket socket) override;
  void on_answer(std::span<const std::byte> frame) override;
  void on_all_failed() override;
  void on_left_upstream() override { content_ = true; }
  void on_idle_alarm() override { begin(); }
  void starve() override { host_.starve(slot_); }
  std::string_view late_text() const override { return "no answer to ApiVersions in time"; }
  std::string_view closed_text() const override { return "closed before it answered ApiVersions"; }

  const config::Cluster& config() const { return live_->plan->clusters()[cluster_].config; }
  ClusterState& state() const { return *live_->clusters[cluster_]; }
  void begin();
  // Asks a place that is suspected to lead back to kferry; nothing if the cluster no longer has it.
  void ask_suspect(const HostPort& place);
  void dial(std::vector<connection::Candidate> candidates);

  Host& host_;
  const std::shared_ptr<const LivePlan> live_;
  const std::uint32_t cluster_;
  const std::uint32_t slot_;
  bool content_ = false;   // it was answered, and asks nothing
  bool suspects_ = false;  // it asks a suspected place: a failure there says nothing of the upstream
  Instant next_round_{};   // valid while it asks a suspected place and is not content
  Duration backoff_{};
  std::uint32_t question_ = 0;  // to the resolver, the last one: answers to others come too late
};

}  // namespace kferry::proxy
