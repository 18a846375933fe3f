// One client connection and the broker connection it is carried over: two legs, two walkers, one conversation, and the
// rules for what may go where.
//
//   accepted ─first plausible header▶ dialling ─▶ open ─▶ closing ─last completion▶ finished
//   With TLS, `accepted` begins with the client's handshake, and `dialling` ends with the broker's.
//
// The close table:
//   who ends, and how                            what the other side sees
//   client half-closes                           its requests are delivered as far as they came, then the broker
//                                                is half-closed; answers continue while they come (silence_after_end)
//     the same, with everything answered         the broker is reset, so that no TIME_WAIT stays here; after a
//                                                Produce with acks=0 or a raw token it is half-closed
//     the same, while a broker is dialled        the dial ends soon (dial_after_end)
//   client resets after that                     both are closed at once
//   client half-closes before a whole header     closed; nothing goes upstream
//   broker closes at a frame's boundary          the answers, then the client is half-closed; a client that
//                                                takes nothing (stall_after_end) is reset
//   broker closes inside a frame                 the client is reset: a cut stream never looks complete
//   a TLS stream ends without close_notify       like a reset: the last bytes may be missing
//     the same, at a frame's boundary, after     an orderly end: many peers answer a close_notify with FIN only,
//     we have sent close_notify                  and a cut frame would be noticed
//   TLS with the client fails                    an alert where one is due, then the client is closed
//   TLS with a broker fails while dialling       the next address, then the next candidate
//   either side is reset                         the other is reset, what is queued is dropped
//   a walker or the judge refuses                whole answers already queued, then the client is closed; if an
//                                                answer is cut, it is reset
//   no broker can be dialled                     the client is closed
//   retired (stand-in replaced, port lost)       once no JoinGroup or SyncGroup is unanswered (retire_patience),
//                                                reading stops at a frame's boundary, answers are awaited
//                                                (drain_timeout), then both are closed
//   client leaves responses unread               it is reset (unread_timeout), unless a Fetch is unanswered
//   a peer vanishes while it owes an ACK         like a reset, after as long as keep-alive would take
//   Limits of time that no completion reports are kept by looks, once a second (session_look.cc).
//
// Lives on its worker's thread in a slot of the worker's. Freed at zero outstanding operations, never before.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/compact_text.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "connection/deadline.h"
#include "connection/dialler.h"
#include "connection/leg.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"
#include "proxy/plan_view.h"
#include "proxy/reach.h"
#include "proxy/walked_rope.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class Session final : private kafka::RequestJudge,
                      private kafka::ClusterView,
                      private connection::Leg::Owner,
                      private connection::Dialler::Host {
 public:
  using Leg = connection::Leg;
  using Remote = tls::Remote;

  // Token::kind: the client leg's operations, the broker leg's, the timer, the dialler's.
  static constexpr std::uint16_t broker_kind = Leg::operations;
  static constexpr std::uint16_t timer_kind = 2 * Leg::operations;
  static constexpr std::uint16_t dial_kind = timer_kind + 1;
  static constexpr std::uint16_t kinds = dial_kind + connection::Dialler::operations;

  // Takes over `client`, accepted on `port` of the view's plan. Nothing is submitted before start().
  Session(Worker& worker, std::uint32_t slot, std::uint16_t generation, std::shared_ptr<PlanView> view,
          const PortEntry& port, ring::Socket client, const SocketAddress& client_address);
  // Nothing may be outstanding.
  ~Session() override;

  void start();
  // `kind` is below `kinds`.
  void on_completion(std::uint16_t kind, const ring::Completion& completion);
  // The answer to the worker's resolve() on this session's behalf.
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  // Buffers are free again after a receive found none.
  void receive_again(Remote from);
  // The topology or the reachability of a broker has changed.
  void reconsider();
  // Frees the receive buffers of sends that have been pending since before `since`.
  void give_buffers_back(Instant since);
  // What a look found, for the next one. Kept by the worker.
  struct Pulse {
    std::uint64_t moved = 0;     // grows with what the sides acknowledge, and what the broker sends
    Instant since{};             // nothing has moved since, and neither side has ended since
    std::uint64_t answered = 0;  // grows with what the broker sends and the client acknowledges
    Instant answered_since{};    // as `since`, for `answered`
    Instant active{};            // when a completion last moved bytes
    std::uint64_t taken = 0;     // grows with what the client acknowledges
    Instant taken_since{};  // the client has taken nothing since, though something waited; epoch: unknown
    bool client_over = false;
    bool broker_over = false;
  };
  static constexpr Duration look_interval = std::chrono::seconds(1);
  // Called every look_interval once the session has asked for it (Worker::look_after), until it returns false.
  bool look(Pulse& pulse);
  // Ends at once, resetting both sides.
  void abort();

  bool finished() const {
    return state_ == State::closing && client_.outstanding() + broker_.outstanding() == 0 &&
           !deadline_.armed() && (dial_ == nullptr || dial_->outstanding() == 0);
  }
  const PlanView& view() const { return *view_; }
  const KnownCluster& cluster() const { return view_->known_cluster(port_->cluster); }
  std::uint32_t slot() const { return slot_; }

 private:
  enum class State : std::uint8_t { accepted, dialling, open, closing };
  enum class Phase : std::uint8_t {
    serving,
    stopping,    // no further request is forwarded; ends when everything is answered
    delivering,  // only what is queued for the client is still sent
  };
  // Why the request walker does not continue.
  enum class RequestWalk : std::uint8_t {
    flowing,
    judge_waits,  // the next frame may not be forwarded yet
    queue_full,   // too many unanswered requests
  };
  // What the session's one deadline is for.
  enum class Wait : std::uint8_t { none, first_byte, handshake, dial, map, deliver, retire, drain };
  enum class Question : std::uint8_t { none, waiting, asked, over };

  // Listed brokers whose names may lead to this connection's address.
  struct Identification {
    SocketAddress here;
    std::vector<Node> left;  // to be resolved; the last one is being resolved
    std::vector<NodeId> found{};
  };

  // RequestJudge
  kafka::Judgement judge(const kafka::Request& request) override;
  // ClusterView
  bool learn(const kafka::BrokerList& list) override;
  std::optional<HostPort> advertised(NodeId id) override;
  bool leaves_out() override;
  void left_out(ApiKey source, NodeId id) override;
  void hidden_api(ApiKey key) override;
  void deviates(ApiKey source, kafka::Deviation how) override;
  void denied(CorrelationId request) override;

  // Leg::Owner
  void on_input(Leg& leg) override;
  void on_output(Leg& leg) override;
  void on_spliced(Leg& leg, std::uint64_t size) override;
  void on_break(Leg& leg, const Leg::Break& what) override;
  void on_key_exhausted(Leg& leg) override;
  void on_starved(Leg& leg) override;
  bool at_boundary(const Leg& leg) const override;

  // Dialler::Host: session_rules.cc
  void resolve(const HostPort& where) override;
  std::string_view why_not_dialled(const connection::Candidate& candidate, const SocketAddress& address,
                                   const SocketAddress& from) override;
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() override;
  void set_dial_deadline(Duration in) override;
  void clear_dial_deadline() override;
  void on_dial_starved() override;
  Turn turn_of(const connection::Candidate& candidate) override;
  void on_candidate_failed(const connection::Candidate& candidate, const std::string& tried) override;
  void on_dialled(const connection::Candidate& candidate) override;
  void on_not_dialled(int local_error) override;

  Leg& other(const Leg& leg) { return leg.remote() == Remote::client ? broker_ : client_; }
  const Leg& other(const Leg& leg) const { return leg.remote() == Remote::client ? broker_ : client_; }

  // --- the flow
  void pump();
  void walk_requests();
  void walk_responses();
  void look_ahead();
  void send(Leg& to);
  void pull(Leg& from);
  bool splice_wanted(const Leg& from, std::uint64_t run) const;
  bool frame_continues(const Leg& from) const;
  std::uint64_t opaque_run(const Leg& from) const;
  bool ending() const { return client_.ended() || broker_.ended() || phase_ != Phase::serving; }
  bool requests_stopped() const;
  const config::Engine& options() const;

  // --- the client's TLS and where the port leads: session_rules.cc
  std::unique_ptr<connection::Transport> client_transport();
  tls::Engine::Chosen choose_context(std::string_view server_name);
  void dial();
  const config::Listener& listener() const { return view_->plan().listener_of(*port_); }
  const config::Cluster& cluster_config() const { return view_->cluster_config(port_->cluster); }
  std::optional<NodeId> owner() const;
  std::optional<NodeId> proven();
  bool in_place();
  std::string place_text() const;
  std::string pacing_key() const;
  std::vector<connection::Candidate> plan_dial();
  void end_admission();
  kafka::Judgement refuse(std::string text);
  void retire();

  // --- what the topology is told, and who answers: session_evidence.cc
  Teacher teacher() const;
  void note_answer();
  void note_broken();
  bool always_answered() const;
  void identify();
  bool identify_by_address();
  void resolve_next_name();
  void on_name_resolved(const std::vector<SocketAddress>& addresses);

  // --- its own question: session_question.cc
  bool wait_for_map();
  void ask_for_map();
  void end_question();

  // --- looks: session_look.cc
  bool wants_looks() const;
  bool look_at_sides(Pulse& pulse);
  void end_stalled_client(const ring::TcpState& client, std::string_view what, Duration time);

  // --- the end: session_end.cc
  void pass_on_ends();
  bool broker_owes_nothing() const;
  bool shut_client();
  void end_if_done();
  void set_deadline(Wait wait, Duration in);
  void on_deadline();
  void on_tls_break(Leg& leg);
  void on_keys_lost(Leg& leg);
  void log(Severity severity, std::string_view cause, std::string text);
  std::string unanswered_text() const;
  void report_cut(const char* how);
  void report_silence();
  void report_retirement();
  // Ends with a reason, logged once; see the close table.
  void fail(Severity severity, std::string_view cause, std::string text);
  void close(bool reset_client, bool reset_broker);

  Worker& worker_;
  const std::shared_ptr<PlanView> view_;  // of the plan that the session began with; `port_` is in it
  const PortEntry* port_;                 // among those that share a socket, once the client has named one
  const std::uint32_t slot_;
  const std::uint16_t generation_;
  State state_ = State::accepted;
  Phase phase_ = Phase::serving;
  RequestWalk request_walk_ = RequestWalk::flowing;
  Wait wait_ = Wait::none;
  Question question_ = Question::none;
  bool stand_in_ = false;
  bool response_cut_ = false;  // the broker ended inside a response
  bool received_anything_ = false;
  bool paced_ = false;                                   // has waited its turn for a stand-in
  bool limited_ = false;                                 // the broker's limits have ended it
  Reach::Admission admission_ = Reach::Admission::open;  // by `admitted_`; valid while dialling
  bool broken_noted_ = false;                            // the topology knows that this connection broke
  bool looked_after_ = false;                            // the worker looks at the session
  std::uint16_t retire_postponed_ = 0;                   // so many times, for a group that is being formed
  bool unanswered_ = false;      // the loop guard counts this connection: no Kafka response has come
  std::uint8_t loop_polls_ = 0;  // how often this dial has waited for the loop guard
  connection::Deadline deadline_;
  std::uint64_t ahead_ = 0;  // bytes of a response that were walked while still in the broker's socket
  Instant heard_at_{};       // last byte from the broker, or when a request first went unanswered
  WalkedRope requests_;      // the client leg's input and the broker leg's output
  WalkedRope responses_;     // the broker leg's input and the client leg's output
  Leg client_;
  Leg broker_;
  SocketAddress client_address_;
  CompactText client_id_;  // of the first request, or the beginning of it
  kafka::Conversation conversation_;
  kafka::RequestWalker request_walker_;
  kafka::ResponseWalker response_walker_;
  Origin origin_;
  std::unique_ptr<connection::Dialler> dial_;  // while dialling
  std::size_t tried_before_ = 0;               // of dial_->tried(): what belongs to earlier candidates
  std::optional<NodeId> admitted_;             // the port's broker when the dial began
  Instant turn_until_{};                       // how long the dial waits for that broker, once it does
  bool unreachable_reported_ = false;          // this dial has written its line about a broker
  // Of an ApiVersions that named exactly the learnt cluster and the broker that should be here.
  std::optional<CorrelationId> exactly_asked_;
  std::unique_ptr<std::string> refusal_;  // valid after the judge has refused
  HostPort dialled_;                      // Valid once open.
  std::optional<NodeId> named_;           // by SNI; nullopt: bootstrap, or a listener that routes by port
  std::optional<NodeId> node_;            // who answers here, once that is known; never forgotten
  Instant note_answers_at_{};             // from then on, the topology is told of an answer here
  std::unique_ptr<Identification> identifying_;  // while names are resolved to learn who answers here
};

}  // namespace kferry::proxy
