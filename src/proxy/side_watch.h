// How a session is bounded in time once one of its sides has ended or is not being read. Completions do not report
// everything: no receive is outstanding on a side whose bytes have nowhere to go, so its end goes unseen, and a peer
// that vanished says nothing at all. The worker looks at such sessions every `interval`, by the kernel's own account
// (Ring::tcp_state); a session that reads on both sides is never looked at.
//
// Pure: it remembers what the former looks found, and judges what this one has. Kept by the worker while it looks.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "config/config.h"
#include "connection/leg.h"
#include "kafka/conversation.h"
#include "proxy/close_rules.h"
#include "ring/ring.h"

namespace kferry::proxy {

class SideWatch {
 public:
  static constexpr Duration interval = std::chrono::seconds(1);
  // The other sessions are glanced at this often, at the cost of a system call for one whose client was sent something
  // and never fetched.
  static constexpr Duration glance_interval = std::chrono::seconds(5);
  // After the client has ended, the session ends once nothing has moved for this long; after the broker has, sooner,
  // since only the client can move anything.
  static constexpr Duration silence_after_end = std::chrono::seconds(25);
  static constexpr Duration stall_after_end = std::chrono::seconds(15);
  static_assert(silence_after_end + 2 * interval < std::chrono::seconds(30));
  // A client that takes nothing while its responses wait, or fill this host's socket. A broker that has ended meanwhile
  // cannot say so: its FIN is behind bytes for which this host has no room. Only a consumer between two polls leaves a
  // response unread for longer.
  static constexpr Duration unread_timeout = std::chrono::seconds(25);
  // A broker that takes no bytes and still acknowledges every probe gets the requests of a client that has ended, such
  // as records with acks=0, within this time.
  static constexpr Duration delivery_after_end = std::chrono::minutes(5);

  // What one look sees.
  struct Sides {
    Instant now{};
    Upstream upstream = Upstream::open;
    ring::TcpState client{};
    ring::TcpState broker{};        // default while dialling
    bool client_receiving = true;   // a receive is outstanding, which reports a reset itself
    bool client_ended = false;      // its end has been received
    bool broker_ended = false;      // as for the client
    bool responses_wait = false;    // for room in the client's socket
    bool fetch_unanswered = false;  // so that a consumer may be between two polls
    bool fetches = false;           // the client has sent a Fetch or ShareFetch on this connection
    bool requests_wait = false;     // for room in the broker's socket
    Duration patience{};            // with a peer that owes an ACK: as long as keep-alive would take
  };
  enum class Verdict : std::uint8_t {
    wait,           // looked at again
    client_reset,   // as if a receive had failed
    client_gone,    // vanished, as is
    broker_gone,    // the broker
    client_left,    // while a broker is dialled: the dial ends soon
    unread,         // the client has left responses unread for unread_timeout
    stalled,        // the broker has ended, and its client has taken nothing for stall_after_end
    silent,         // the client has ended, and nothing has come from a broker that has every request
    undeliverable,  // the client has ended, and its requests cannot be delivered
  };

  // False: bytes have flowed since the former look, so that completions tell everything. `active`: when a completion
  // last moved bytes.
  bool is_quiet(Instant active) {
    const bool quiet = active_ == active;
    active_ = active;
    return quiet;
  }
  Verdict judge(const Sides& sides);

 private:
  void note_progress(const Sides& sides, bool client_over, bool broker_over);

  Instant active_{};
  std::uint64_t moved_ = 0;     // grows with what the sides acknowledge, and what the broker sends
  Instant since_{};             // nothing has moved since, and neither side has ended since
  std::uint64_t answered_ = 0;  // grows with what the broker sends and the client acknowledges
  Instant answered_since_{};    // as since_, for answered_
  std::uint64_t taken_ = 0;     // grows with what the client acknowledges
  Instant taken_since_{};       // the client has taken nothing since, though something waited; epoch: unknown
  bool client_over_ = false;
  bool broker_over_ = false;
};

// By the kernel's account: up to two system calls. The patience is that of the limits' keep-alive.
SideWatch::Sides sides_of(const connection::Leg& client, const connection::Leg& broker, Upstream upstream,
                          const kafka::Conversation& conversation, Instant now, const config::Limits& limits);

}  // namespace kferry::proxy
