// A connection that kferry makes to an upstream on its own behalf: it dials candidates one after another, asks, and
// takes whole answers, one at a time. What is asked, and what an answer means, is the derived class's.
//
//   idle ─dial()▶ dialling ─▶ on_connected() ─ask()▶ asking ─▶ on_answer() ─leave()▶ leaving ─▶ on_left_upstream()
//     ▲              ▲ │                               │ └─hold()▶ holding ─ask()▶ asking
//     │              │ └─every candidate failed─▶ on_all_failed()
//     │              └── reject(): the next address ◀──┘
//     └── an alarm rings: on_idle_alarm()
//
// Lives on its ring's thread. Nothing may be outstanding when it is destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "connection/deadline.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "net/address_memory.h"
#include "net/rope.h"
#include "ring/ring.h"

namespace kferry::proxy {

class OwnConnection : private connection::Leg::Owner, protected connection::Dialler::Host {
 public:
  // Kinds of operations, counted from the constructor's token.
  static constexpr std::uint16_t operations =
      connection::Leg::operations + 1 + connection::Dialler::operations;

  // `kind` counts from the constructor's.
  void on_completion(std::uint16_t kind, const ring::Completion& completion);
  // Buffers are free again after starve().
  void receive_again();
  // Closes what is open; nothing is dialled any more.
  void stop();
  bool stopped() const {
    return link_ == Link::stopped && leg_.outstanding() == 0 && !alarm_.armed() &&
           (dial_ == nullptr || dial_->outstanding() == 0);
  }

 protected:
  // From connected to the last answer.
  static constexpr Duration answer_timeout = std::chrono::seconds(5);

  // `first`: the token of the first operation; the kinds of the others follow. `shared` outlives it.
  OwnConnection(connection::Leg::Shared& shared, ring::Token first);
  ~OwnConnection() = default;

  bool idle() const { return link_ == Link::idle; }
  bool dialling() const { return link_ == Link::dialling; }

  // Idle: dials. `memory` as for Dialler.
  void dial(std::vector<connection::Candidate> candidates, const connection::Dialler::Timeouts& timeouts,
            net::AddressMemory* memory);
  // Connected, or after an answer. The request may hold a secret, and is wiped.
  void ask(std::vector<std::byte> request);
  // After an answer: nothing is taken until the next ask().
  void hold();
  // This connection is useless: on to the next address.
  void reject(std::string why);
  // Closes the connection in order; on_left_upstream() follows, possibly from within.
  void leave();
  // Replaces the alarm: on_idle_alarm() where it rings while idle.
  void set_alarm(Duration in);
  // When the alarm was to ring that was set last.
  Instant alarm_at() const { return alarm_.at(); }
  ring::Token id() const { return leg_.id(); }
  // Valid after the first dial().
  connection::Dialler& dialler() { return *dial_; }

  // --- the derived class's
  virtual void on_connected(ring::Socket socket) = 0;
  // A frame without its length.
  virtual void on_answer(std::span<const std::byte> frame) = 0;
  virtual void on_all_failed() = 0;
  virtual void on_left_upstream() = 0;
  virtual void on_idle_alarm() = 0;
  // The connection is given up: what belongs to it is dropped.
  virtual void on_rejected() {}
  // No receive buffer was free: receive_again() is to be called when one is.
  virtual void starve() = 0;
  // What is said of a server that does not answer in time, or that closes instead.
  virtual std::string_view late_text() const = 0;
  virtual std::string_view closed_text() const = 0;

 private:
  using Leg = connection::Leg;
  static constexpr std::uint16_t alarm_kind = Leg::operations;
  static constexpr std::uint16_t dial_kind = alarm_kind + 1;

  enum class Link : std::uint8_t {
    idle,
    dialling,
    asking,
    holding,
    leaving,
    stopped,
  };

  // Leg::Owner, once dialled
  void on_input(Leg& leg) override;
  void on_output(Leg& leg, std::size_t sent) override;
  void on_break(Leg& leg, const Leg::Break& what) override;
  void on_starved(Leg& leg) override;
  void on_left(Leg& leg) override;

  // Dialler::Host, but for names, addresses and TLS
  void set_dial_deadline(Duration in) override;
  void clear_dial_deadline() override;
  void on_dial_starved() override;
  void on_dialled(const connection::Candidate& candidate) override;
  void on_not_dialled(int local_error) override;

  bool connected() const { return link_ == Link::asking || link_ == Link::holding; }
  void on_alarm();
  void take_answer();

  Leg::Shared& shared_;
  Link link_ = Link::idle;
  bool alarm_wanted_ = false;
  connection::Deadline alarm_;
  connection::KernelTls no_kernel_tls_;
  net::Rope input_;
  net::Rope output_;
  Leg leg_;
  std::unique_ptr<connection::Dialler> dial_;  // null before the first dial
  std::vector<std::byte> incoming_;            // of the next answer
};

}  // namespace kferry::proxy
