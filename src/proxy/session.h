// One client connection and the broker connection it is carried over: two ropes, two walkers, one conversation.
//
//   accepted ─first plausible header▶ dialling ─connected▶ open ─▶ closing ─last completion▶ gone
//                                      └── next address, next target ◀┘
//   With TLS `accepted` begins with the client's handshake, and `dialling` ends with the broker's.
//
// The close table:
//   who ends, and how                            what the other side sees
//   client half-closes                           its requests are delivered as far as they came, then the broker
//                                                is half-closed; answers go on
//   client half-closes before a whole header     closed; nothing goes upstream
//   broker closes at a frame's boundary          the answers, then the client is half-closed and has
//                                                half_close_timeout to close
//   broker closes inside a frame                 the client is reset: a cut stream never looks complete
//   a TLS stream ends without close_notify       as a reset: what came last may be cut off
//     the same, at a frame's boundary, after     as an end in order: many answer a close_notify by their FIN alone,
//     we have said close_notify to it            and a frame that was cut would show
//   TLS with the client fails                    an alert where one is due, then the client is closed
//   TLS with a broker fails while dialling       the next address, the next target, as if it had not answered
//   either side is reset                         the other is reset, what is queued is dropped
//   a walker or the judge refuses                whole answers already queued, then the client is closed; where an
//                                                answer is cut, it is reset
//   no broker can be dialled                     the client is closed
//   retired (stand-in replaced, port lost)       reading stops at a frame's boundary, answers are awaited
//                                                (drain_timeout), then both are closed
//
// Lives on its worker's thread in a slot of the worker's; is freed at zero outstanding operations, never before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"
#include "net/rope.h"
#include "proxy/dial_plan.h"
#include "proxy/engine.h"
#include "proxy/rope_output.h"
#include "proxy/tls_stream.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class Session final : private kafka::RequestJudge, private kafka::ClusterView {
 public:
  // Of a send whose completion may come with the next one of anything.
  static constexpr std::size_t quiet_size_max = 16 * KiB;
  // Kinds of operations, in Token::kind.
  enum class Operation : std::uint16_t {
    client_receive,
    client_send,
    broker_receive,
    broker_send,
    client_splice,  // from the client to the broker
    broker_splice,
    connect,
    deadline,
    end_
  };

  // Takes over `client`. Nothing is submitted before start().
  Session(Worker& worker, std::uint32_t slot, std::uint16_t generation, const PortEntry& port,
          ring::Socket client, const SocketAddress& client_address);
  // Closes both sockets. Nothing may be outstanding.
  ~Session() override;

  void start();
  void on_completion(Operation operation, const ring::Completion& completion);
  // The answer to the worker's resolve() on this session's behalf.
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  // Buffers are back after a receive found none.
  void receive_again(bool from_client);
  // The topology or the reachability of a broker has changed.
  void reconsider();
  // Its sends have been standing since before `since`: gives the ring's buffers back.
  void give_buffers_back(Instant since);
  // Ends at once, resetting both sides.
  void abort();

  bool finished() const { return state_ == State::closing && outstanding_ == 0; }
  std::uint32_t cluster() const { return port_->cluster; }

 private:
  enum class State : std::uint8_t { accepted, dialling, open, closing };
  // A broker that closes leaves the client this long to close too.
  static constexpr Duration half_close_timeout = std::chrono::seconds(30);
  // What is queued when a session is ended is delivered within this, or dropped.
  static constexpr Duration drain_timeout = std::chrono::seconds(5);

  // What the session's one timer is for.
  enum class Deadline : std::uint8_t {
    none,
    first_byte,
    handshake,
    connect,
    deliver,
    retire,
    drain,
    half_close
  };

  struct Leg {
    ring::Socket socket = ring::Socket::none;
    bool receiving = false;
    bool standing = false;        // the receive goes on by itself
    bool unreceiving = false;     // it is being cancelled
    bool small = true;            // the last one brought little
    bool cut_short = false;       // it asked for little
    bool splicing = false;        // from this socket to the other one; nobody else reads here or writes there
    bool splice_refused = false;  // no pipe was to be had: the next piece goes through buffers
    std::uint8_t beginnings = 0;  // receives that ask for no more than one: octets have just been spliced
    bool sending = false;
    bool unsending = false;  // the send is being cancelled so that its buffers can be given back
    bool quiet = false;      // the send's completion comes with the next one of anything
    bool congested = false;  // the last send was short: the next one is to wait for room
    bool starved = false;    // waits for receive buffers
    bool ended = false;      // it has sent FIN
    bool fin_sent = false;   // we have
    bool reset = false;      // close with RST
    std::size_t sending_size = 0;
    Instant sending_since{};
    std::unique_ptr<TlsStream> tls;  // null: plaintext
    bool kernel_refused = false;     // this connection's keys are of no use to the kernel
    bool polling = false;            // the send's place is taken by a wait for room

    // Whether what goes in and out of the socket is plaintext to us.
    bool receives_plain() const { return tls == nullptr || tls->kernel_receives(); }
    bool sends_plain() const { return tls == nullptr || tls->kernel_sends(); }
  };

  // While dialling; given back when open.
  struct Dial {
    std::vector<DialTarget> targets;
    std::size_t target = 0;
    std::vector<SocketAddress> addresses;
    std::size_t address = 0;
    bool timed_out = false;
    bool given_up = false;        // this connection: it is closed once nothing is outstanding on it
    bool again = false;           // after that, the same address once more
    bool full_handshake = false;  // no TLS session is offered any more
    std::string tried;
    bool network_failed = false;  // some address was not resolved, or no connection was made to it
  };

  // RequestJudge
  kafka::Judgement judge(const kafka::Request& request) override;
  // ClusterView
  bool learn(const kafka::BrokerList& list) override;
  std::optional<HostPort> advertised(NodeId id) override;
  void left_out(ApiKey source, NodeId id) override;
  void hidden_api(ApiKey key) override;

  ring::Token token(Operation operation) const;

  void on_received(Leg& from, net::Rope& rope, const ring::Completion& completion);
  void on_sent(Leg& to, net::Rope& rope, const ring::Completion& completion);
  void on_spliced(Leg& from, const ring::Completion& completion);
  void on_connected(const ring::Completion& completion);
  void on_deadline();

  void walk_requests();
  void walk_responses();
  void pump();
  void send(Leg& to, net::Rope& rope, Operation operation);
  void submit_send(Leg& to, Operation operation, std::span<const iovec> pieces, std::size_t size, bool quiet,
                   bool more = false);
  const Leg& other(const Leg& leg) const { return &leg == &client_ ? broker_ : client_; }
  Leg& other(const Leg& leg) { return &leg == &client_ ? broker_ : client_; }
  bool ending() const { return client_.ended || broker_.ended || stopping_ || delivering_; }
  void on_broken(bool by_broker, int error);
  void receive(Leg& from, net::Rope& rope, Operation operation);
  void end_standing(Leg& from);
  bool wants_more(const net::Rope& rope) const;
  const config::Engine& engine_options() const;
  bool at_boundary(const Leg& from) const;
  std::uint64_t opaque_run(const Leg& from) const;
  bool goes_on(const Leg& from, const net::Rope& rope) const;
  void look_ahead();
  bool splice_wanted(const Leg& from) const;
  bool splice(Leg& from, Leg& to, const net::Rope& rope, Operation operation);
  void hear_of_sends();
  bool end_writing(Leg& to, net::Rope& rope, Operation operation);
  void pass_on_ends();
  void check_stopped();

  void dial();
  void next_target();
  void next_address();
  void give_up_address(std::string_view why);
  void leave_address();
  void open();

  // TLS: session_tls.cc
  void start_tls_with_client();
  tls::Engine::Chosen take_name(std::string_view server_name);
  void start_tls_with_broker();
  bool receive_tls(Leg& from, net::Rope& rope, const ring::Completion& completion);
  void on_tls_failure(Leg& from, bool end_of_stream);
  bool may_end_bare(const Leg& from) const;
  void on_truncation(Leg& from);
  void send_tls(Leg& to, net::Rope& rope, Operation operation);
  void on_handshake_deadline();
  void hand_to_kernel(Leg& leg);
  bool hand_over(Leg& leg, bool sending);
  int give_key(const Leg& leg, bool sending, const tls::TrafficKey& key);
  bool send_own_records(Leg& to, Operation operation);
  void check_keys(const Leg& leg);
  void take_record(Leg& from);
  void note_cut_by(const Leg& from);
  void on_forged(Leg& from);
  void note_kernel_sent(Leg& to, std::size_t size);

  const config::Listener& listener() const;
  std::optional<NodeId> owner() const;
  std::optional<NodeId> proven() const;
  bool in_place() const;
  std::string place_text() const;
  kafka::Judgement refuse(std::string text);
  void retire();

  void set_deadline(Deadline purpose, Duration in);
  void clear_deadline() { deadline_ = Deadline::none; }

  void log(Severity severity, std::string_view cause, std::string text);
  std::string unanswered_text() const;
  void report_cut(const char* how);
  void report_silence();

  // Ends with a reason, logged once; see the close table.
  void fail(Severity severity, std::string_view cause, std::string text);
  void close(bool reset_client, bool reset_broker);

  Worker& worker_;
  const PortEntry* port_;  // among those that share a socket, once the client has named one
  const std::uint32_t slot_;
  const std::uint16_t generation_;
  State state_ = State::accepted;
  Deadline deadline_ = Deadline::none;
  bool timer_armed_ = false;
  bool connecting_ = false;
  bool judge_waits_ = false;  // the request walker stands before a frame that may not go yet
  bool queue_full_ = false;   // walking requests stopped at the limit of unanswered ones
  bool stopping_ = false;     // no further request goes; ends when everything is answered
  bool delivering_ = false;   // only what is queued for the client still goes
  bool stand_in_ = false;
  bool response_cut_ = false;  // the broker ended inside a response
  bool received_anything_ = false;
  std::uint32_t outstanding_ = 0;
  std::uint64_t ahead_ =
      0;                // octets of a response that were walked while they are in the broker's socket yet
  Instant heard_at_{};  // from the broker last, or when a request first went unanswered
  Instant deadline_at_{};
  Instant timer_at_{};
  Leg client_;
  Leg broker_;
  SocketAddress client_address_;
  net::Rope requests_;
  net::Rope responses_;
  RopeOutput request_output_;
  RopeOutput response_output_;
  kafka::Conversation conversation_;
  kafka::RequestWalker request_walker_;
  kafka::ResponseWalker response_walker_;
  Origin origin_;
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<std::string> refusal_;
  HostPort dialled_;             // what the open broker connection was dialled at
  std::optional<NodeId> named_;  // by SNI; nullopt: bootstrap, or a listener that routes by port
  std::optional<NodeId> node_;   // the node learnt to be there when it was dialled
};

}  // namespace kferry::proxy
