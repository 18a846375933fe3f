// A session's dial: the brokers to try, in which order and when, and what the outcome teaches. Exists only while its
// session dials. Connecting itself is the Dialler's.
//
//   broker up                        dialled at once
//   down, the first stand-in         at once: bootstrapping is never held
//   down, a stand-in has refused     waits as proxy/pacing.h says, then meets the stand-in
//   a place that never answers       waits as proxy/loop_guard.h says
//   down, nothing else to dial       waits for Reach::wait_max, then the dial has failed
//
// A client that waits is in the broker's queue (proxy/reach.h): it dials when its turn comes, or at once when another
// client has reached the broker. Whatever ends the dial, close() included, gives its turn back.
//
// Lives on its worker's thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "proxy/cluster_link.h"
#include "proxy/counters.h"
#include "proxy/reach.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class BrokerDial final : private connection::Dialler::Host {
 public:
  // Returns a dial to its worker, which keeps dials apart from the heap: those of a burst leave no holes in it.
  struct Free {
    void operator()(BrokerDial* dial) const;
  };
  using Pointer = std::unique_ptr<BrokerDial, Free>;

  class Host {
   public:
    // BrokerDial::on_deadline is to be called in so long, unless a later call replaces it or clears it.
    virtual void set_dial_deadline(Duration in) = 0;
    virtual void clear_dial_deadline() = 0;
    // Bytes flow on the leg, which has no owner yet: the host sets one at once. It may destroy the dial in this call.
    virtual void on_dialled(const connection::Candidate& broker) = 0;
    // No broker can be dialled for this client. The host closes the dial, now or later.
    virtual void on_not_dialled(Severity severity, std::string_view cause, std::string text) = 0;

   protected:
    ~Host() = default;
  };

  // For the client of `link`. `broker` is in stage none. The dialler's operations are named by `first`, questions to
  // the resolver by its slot. Everything outlives the dial, which is destroyed with nothing outstanding.
  BrokerDial(Host& host, Worker& worker, const ClusterLink& link, connection::Leg& broker, ring::Token first);

  void start();
  // Ends the dial without an outcome; what is outstanding is cancelled. The leg is the host's to close.
  void close();
  std::uint32_t outstanding() const { return dialler_.outstanding(); }

  // As for Dialler.
  void on_completion(std::uint16_t kind, const ring::Completion& completion) {
    dialler_.on_completion(kind, completion);
  }
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  void on_deadline() { dialler_.on_deadline(); }
  void resume() { dialler_.resume(); }
  void shorten(Duration in) { dialler_.shorten(in); }
  // The reachability of a broker has changed.
  void ask_again() { dialler_.ask_again(); }

 private:
  // Dialler::Host
  void resolve(const HostPort& where) override;
  std::string_view why_not_dialled(const connection::Candidate& candidate, const SocketAddress& address,
                                   const SocketAddress& from) override;
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override;
  void set_dial_deadline(Duration in) override { host_.set_dial_deadline(in); }
  void clear_dial_deadline() override { host_.clear_dial_deadline(); }
  void on_dial_starved() override;
  Turn turn_of(const connection::Candidate& candidate) override;
  void on_candidate_failed(const connection::Candidate& candidate, const std::string& tried) override;
  void on_dialled(const connection::Candidate& candidate) override;
  void on_not_dialled(int local_error) override;

  std::vector<connection::Candidate> plan();
  std::optional<Duration> loop_pause(const connection::Candidate& candidate);
  std::optional<Turn> stand_in_pause();
  Turn own_turn(bool own);
  void end_admission();
  void count(std::optional<NodeId> node, DialOutcome outcome) {
    place_.cluster_counters().count_dial(node, outcome);
  }

  // Whether the client has taken its turn behind stand-ins.
  enum class Pace : std::uint8_t { not_asked, asked };

  Host& host_;
  Worker& worker_;
  const ClusterLink& link_;
  const Place& place_;  // of `link_`
  const ring::Token first_;
  const ring::Token leg_;
  connection::Dialler dialler_;
  const Instant began_;
  // How the dial has ended; end_: it has not. For metrics.
  DialOutcome outcome_ = DialOutcome::end_;
  std::size_t tried_before_ = 0;    // of dialler_.tried(): what belongs to earlier candidates
  std::optional<NodeId> admitted_;  // the place's broker when the dial began
  Instant turn_until_{};            // how long the dial waits for that broker, once it does
  Reach::Admission admission_ = Reach::Admission::open;  // by `admitted_`
  Pace pace_ = Pace::not_asked;
  std::uint8_t loop_polls_ = 0;  // how often this dial has waited for the guard against loops
};

}  // namespace kferry::proxy
