// Asks a cluster who its brokers are, on kferry's own behalf, so that ports are known before the first client
// comes. Only where the upstream needs no credentials, or the configuration has some that kferry can use
// (PLAIN, SCRAM). Runs at start (with backoff until it succeeds), every discovery_interval, and soon after a
// failed dial; each time on a fresh connection, to one bootstrap server or listed broker after another.
//
//   waiting ─▶ resolving ─▶ connecting ─▶ (TLS ─▶) (SaslHandshake ─▶ SaslAuthenticate… ─▶) Metadata ─▶ learnt ─▶
//   waiting
//
// Lives on the first worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "proxy/sasl_client.h"
#include "proxy/topology.h"
#include "ring/ring.h"
#include "tls/engine.h"

namespace kferry::proxy {

class Worker;

class Discovery {
 public:
  static bool possible(const config::Upstream& upstream);

  Discovery(Worker& worker, std::uint32_t cluster);

  void start();
  // Runs again within a second or so, unless it is running.
  void soon();
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  // `kind` counts from Worker::Operation::discovery.
  void on_completion(int kind, const ring::Completion& completion);
  void stop();
  bool stopped() const { return stopping_ && !alarm_armed_ && !connecting_ && !sending_ && !receiving_; }

 private:
  // One connection, from connect to the last answer, the TLS handshake apart.
  static constexpr Duration attempt_timeout = std::chrono::seconds(10);

  enum class Operation : std::uint16_t { connect, send, receive, alarm };
  enum class Stage : std::uint8_t {
    waiting,
    resolving,
    connecting,
    securing,
    handshake,
    authenticate,
    metadata,
    closing
  };

  struct Target {
    HostPort address;
    bool bootstrap = false;
  };

  ring::Token token(Operation operation) const;
  void set_alarm(Duration in);
  void on_alarm();
  void begin();
  void next_target();
  void next_address();
  void on_connected(int result);
  void start_tls();
  void follow_tls(bool end);
  void decrypt(std::span<const std::byte> cipher);
  void introduce();
  void ask(std::vector<std::byte> request, Stage stage);
  void submit_send();
  void refill();
  void submit_receive();
  void on_sent(int result);
  void on_received(const ring::Completion& completion);
  void take_answer();
  void on_answer(std::span<const std::byte> frame);
  void on_step(SaslClient::Step step);
  void on_metadata(std::span<const std::byte> frame);
  // This connection is of no use: on to the next address.
  void give_up(const std::string& why);
  void close();
  void on_closed();
  // All targets were tried, or one has answered.
  void end_round();

  Worker& worker_;
  const std::uint32_t cluster_;
  Stage stage_ = Stage::waiting;
  bool stopping_ = false;
  bool learnt_ = false;
  bool warned_ = false;
  bool alarm_armed_ = false;
  bool connecting_ = false;
  bool sending_ = false;
  bool receiving_ = false;
  bool ended_ = false;  // the broker has sent FIN
  Instant alarm_at_{};
  Instant alarm_armed_for_{};
  std::vector<Target> targets_;
  std::size_t target_ = 0;
  std::vector<SocketAddress> addresses_;
  std::size_t address_ = 0;
  ring::Socket socket_ = ring::Socket::none;
  std::unique_ptr<tls::Engine> tls_;  // null: plaintext
  bool full_handshake_ = false;       // no ticket is offered in this round any more
  bool again_ = false;                // the same address is dialled once more
  std::vector<std::byte> question_;   // not yet on its way
  std::vector<std::byte> outgoing_;   // as it goes out
  std::size_t sent_ = 0;
  std::vector<std::byte> incoming_;
  std::int32_t correlation_id_ = 0;
  std::optional<SaslClient> sasl_;
  std::string tried_;
  Duration backoff_{};
};

}  // namespace kferry::proxy
