// One client connection and the broker connection it is carried over: two legs, the frames that flow between them, the
// link to what is known of the cluster, and the rules for what may go where.
//
//   accepted ─first plausible header▶ dialling ─▶ open ─▶ closing ─last completion▶ finished
//   With TLS, `accepted` begins with the client's handshake, and `dialling` ends with the broker's.
//
// How it ends is said by the close table (proxy/close_rules.h).
//
// Lives on its worker's thread in a slot of the worker's. Freed at zero outstanding operations, never before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/audit_sink.h"
#include "base/clock.h"
#include "base/close_cause.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "connection/deadline.h"
#include "connection/leg.h"
#include "kafka/request_walker.h"
#include "proxy/broker_dial.h"
#include "proxy/close_rules.h"
#include "proxy/cluster_link.h"
#include "proxy/leg_pair.h"
#include "proxy/retirement.h"
#include "proxy/side_watch.h"
#include "ring/ring.h"

namespace kferry::proxy {

class AuditTrail;
class Worker;

class Session final : private kafka::RequestJudge, private connection::Leg::Owner, private BrokerDial::Host {
 public:
  using Leg = connection::Leg;
  using Remote = tls::Remote;

  // Token::kind: the client leg's operations, the broker leg's, the timer, the dialler's.
  static constexpr std::uint16_t broker_kind = Leg::operations;
  static constexpr std::uint16_t timer_kind = 2 * Leg::operations;
  static constexpr std::uint16_t dial_kind = timer_kind + 1;
  static constexpr std::uint16_t kinds = dial_kind + connection::Dialler::operations;

  // Takes over the visitor's socket, accepted on `place`. `id` names the session's first operation. Nothing is
  // submitted before start().
  Session(Worker& worker, ring::Token id, const Place& place, Visitor visitor);
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
  // Called every SideWatch::interval once the session has asked for it (Worker::look_after), until it returns false.
  bool look(SideWatch& watch);
  // Called every SideWatch::glance_interval. Completions do not tell that a client takes nothing while this host's
  // socket has room for its responses: where they went out lately, asks the kernel, and for looks if they are here yet.
  void glance();
  // Ends at once, resetting both sides.
  void abort();
  // It is to end once what it has read is answered. drain_step() follows every Retirement::drain_interval until it has.
  void drain() { retirement_.drain(); }
  // Does nothing without drain(). `expired`: what is unanswered is given up.
  void drain_step(bool expired);

  bool finished() const {
    return state_ == State::closing && legs_.outstanding() == 0 && !deadline_.armed() &&
           (dial_ == nullptr || dial_->outstanding() == 0);
  }
  // The plan in force lacks the session's listener, or has one that tells clients something else: it ends once it is
  // answered.
  void leave_plan();
  // It is as old as its listener allows: it ends once it is answered. False: not now, so it is to be asked again.
  bool end_by_age();
  const Place& place() const { return link_.place(); }
  // The client's socket, if what the client still sends is to be read and dropped; once, when finished.
  ring::Socket take_lingering();
  const PlanView& view() const { return link_.place().view(); }
  const SocketAddress& address() const { return link_.place().port().address; }
  const KnownCluster& cluster() const { return link_.place().known_cluster(); }
  std::uint32_t slot() const { return legs_.client.id().slot; }

  // --- for its audit trail: session_audit.cc
  // Fills in what the session knows of its two connections.
  void describe(AuditRecord& record);
  const kafka::Conversation& conversation() const { return legs_.frames.conversation(); }
  // The one that the client has shown; null: none, or there is no audit.
  const x509::Description* certificate() const;

 private:
  enum class State : std::uint8_t { accepted, dialling, open, closing };
  // Whether the worker looks at the session.
  enum class Looks : std::uint8_t {
    none,
    taken,
    unread,  // they are, and the last one or a glance found bytes that the client has not acknowledged
  };
  enum class Phase : std::uint8_t {
    serving,
    stopping,    // no further request is forwarded; ends when everything is answered
    delivering,  // only what is queued for the client is still sent
  };
  // What the session's one deadline is for.
  enum class Wait : std::uint8_t { none, first_byte, handshake, dial, map, deliver, retire, drain };
  // Which broker serves the client. Valid once open.
  enum class Server : std::uint8_t { own, stand_in };

  // RequestJudge
  kafka::Judgement judge(const kafka::Request& request) override;

  // Leg::Owner
  void on_input(Leg& leg) override;
  void on_output(Leg& leg, std::size_t sent) override;
  void on_spliced(Leg& leg, std::uint64_t size) override;
  void on_break(Leg& leg, const Leg::Break& what) override;
  void on_key_exhausted(Leg& leg) override;
  void on_starved(Leg& leg) override;
  bool at_boundary(const Leg& leg) const override { return legs_.frames.at_boundary(leg.remote()); }

  // BrokerDial::Host
  void set_dial_deadline(Duration in) override { set_deadline(Wait::dial, in); }
  void clear_dial_deadline() override;
  void on_dialled(const connection::Candidate& broker) override;
  void on_not_dialled(Severity severity, std::string_view cause, std::string text) override;

  Worker& worker() const { return link_.worker(); }

  // --- the flow
  void pump();
  void walk_requests();
  void walk_responses();
  void look_ahead();
  LegPair::Ahead ahead() const {
    return legs_.any_ended() || phase_ != Phase::serving ? LegPair::Ahead::nothing : LegPair::Ahead::more;
  }
  bool requests_stopped() const { return phase_ == Phase::stopping && legs_.frames.between_requests(); }

  // --- the rules: session_rules.cc
  void dial();
  bool wait_for_map();
  void ask_for_map();
  kafka::Judgement decide(const kafka::Request& request);
  kafka::Judgement refuse(std::string text);
  void retire();

  // --- the end: session_end.cc
  void pass_on_ends();
  // The session's close follows at once where the client has ended too.
  bool shut_client() { return legs_.client.shut_write(legs_.client.ended() && phase_ != Phase::stopping); }
  Upstream upstream() const;
  CloseState close_state() const { return state_of(legs_.frames, legs_.client, legs_.broker, upstream()); }
  void end_if_done();
  // Whether a side has ended, or is not being read.
  bool wants_looks() const {
    if (state_ == State::accepted || phase_ == Phase::delivering) return false;  // these have a deadline
    if (legs_.any_ended() || !legs_.client.receiving() || looks_ == Looks::unread) return true;
    return state_ == State::open && !legs_.broker.receiving();
  }
  void end_stalled_client(const ring::TcpState& client, SideWatch::Verdict verdict);
  connection::SlimDeadline::Timer timer() const;
  void set_deadline(Wait wait, Duration in);
  void on_deadline();
  void begin_retirement();
  void stop_reading(Duration patience);
  void give_up_answers();
  void on_tls_break(Leg& leg);
  void note_broken() { link_.note_broken(legs_.frames.answered(), true, legs_.frames.conversation()); }
  bool answer_awaited() const;
  void report_cut(const char* how);
  void report_silence();
  void log(Severity severity, std::string_view cause, std::string text);
  // Ends with a reason, logged once; see the close table.
  void fail(Severity severity, std::string_view cause, std::string text);
  void close(bool reset_client, bool reset_broker, CloseCause cause);
  // Why the session will end, unless a reason is known already.
  void note_cause(CloseCause cause) {
    if (cause_ == CloseCause::end_) cause_ = cause;
  }

  // --- what is counted
  void begin_to_count();
  void note_place();

  // --- what is audited: session_audit.cc
  void begin_trail(AuditSink* sink);
  void note_sent(Remote to, std::uint64_t size);

  State state_ = State::accepted;
  Phase phase_ = Phase::serving;
  Wait wait_ = Wait::none;
  Server server_ = Server::own;
  CloseCause cause_ = CloseCause::end_;  // why the session ends, once that is known
  bool response_cut_ = false;            // the broker ended inside a response
  Looks looks_ = Looks::none;
  bool lingers_ = false;  // closed in order, before the client has ended
  Retirement retirement_;
  connection::SlimDeadline deadline_;
  ClusterLink link_;
  LegPair legs_;
  BrokerDial::Pointer dial_;           // while dialling, and until what it has cancelled is complete
  std::unique_ptr<AuditTrail> trail_;  // null: nothing of the session is audited now
};

}  // namespace kferry::proxy
