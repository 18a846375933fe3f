// Dials one of several candidates: resolves each in turn, connects to the first of its addresses that answers, and with
// TLS shakes hands. The outcome is a leg through which bytes flow, or a list of what was tried and why it failed.
//
//   start() ─▶ resolve ─▶ guard ─▶ connect ─▶ [TLS] ─▶ on_dialled
//                 ▲         └─────────┴────────┴─ next address, next candidate ─▶ on_not_dialled
//                 └──────────────────────────────────────────────────────────┘
//
// The addresses of a candidate are raced (RFC 8305): the next one is tried when one fails, or beside it when it has not
// answered for a while (net/address_memory.h). The first connection wins, and the others are closed: that says nothing
// about them for this dial, so that they are tried again if TLS with the winner fails.
//
// The first node, or the bootstrap servers where they come first, are tried twice: once more after a pause where
// their connections failed quickly, since one refused connection says nothing about the next.
//
// Does not decide which broker to dial: the host names the candidates and may refuse addresses. Sessions, kferry's own
// discovery, `check --dial` and `probe` use it alike. One dialler serves one dial, on its leg's thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/socket_address.h"
#include "connection/connect_race.h"
#include "connection/kernel_transport.h"
#include "connection/leg.h"
#include "net/address_memory.h"
#include "tls/context.h"

namespace kferry::connection {

struct Candidate {
  HostPort address;
  // The node learnt to be at this address; nullopt: named by the configuration, which tells only the address.
  std::optional<NodeId> node;
  // What each of its addresses has to connect, if less than the dialler's time-out.
  Duration patience = Duration::max();

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// Why one address, or one name, was not dialled.
struct Attempt {
  enum class Step : std::uint8_t {
    resolve,  // `why` is the resolver's
    refuse,   // the host refuses the address
    connect,
    handshake,  // TLS
    use,        // the host rejected the connection
  };
  Step step = Step::resolve;
  int error = 0;         // errno where the network or this host failed, ETIMEDOUT for a time-out; else 0
  bool unheard = false;  // handshake: the other end ended the connection before it sent a byte
  std::string_view tls_cause{};  // Failure::cause where TLS failed
  std::string where{};           // the address, or the name that could not be resolved
  std::string why{};
  std::string handshake_state{};  // where the TLS handshake stood, after a time-out
};

class Dialler final : private Leg::Owner {
 public:
  class Host {
   public:
    // Asks for the addresses of `where`; Dialler::on_resolved answers, from within or later.
    virtual void resolve(const HostPort& where) = 0;
    // Why the candidate is not dialled at `address`; empty: it may be. Once connected, asked again with the address
    // `from` that the kernel chose for this end.
    virtual std::string_view why_not_dialled(const Candidate& candidate, const SocketAddress& address,
                                             const SocketAddress& from) = 0;
    // With which context TLS is spoken; null: with none; the error says why the upstream's TLS cannot be used.
    virtual std::expected<std::shared_ptr<const tls::ClientContext>, std::string> client_context() = 0;
    // Dialler::on_deadline is called at `at`, unless a later call replaces it or clears it.
    virtual void set_dial_deadline(Duration in) = 0;
    virtual void clear_dial_deadline() = 0;
    // No receive buffer was free in the TLS handshake: Dialler::resume is to be called when one is.
    virtual void on_dial_starved() = 0;
    // What comes before a candidate is dialled.
    struct Turn {
      enum class What : std::uint8_t {
        dial,   // nothing
        wait,   // asked again after `wait`, or by Dialler::ask_again()
        first,  // `candidates` are dialled before it
        skip,   // its node is not dialled
        ended,  // the host has ended the dial
      };
      What what = What::dial;
      Duration wait{};
      std::vector<Candidate> candidates{};
    };
    // Asked for the first candidate and for each that follows another node.
    virtual Turn turn_of(const Candidate& /*candidate*/) { return {}; }
    // Every address of the candidate has failed; `tried` lists what was tried so far.
    virtual void on_candidate_failed(const Candidate& /*candidate*/, const std::string& /*tried*/) {}
    // Bytes flow. The leg has no owner yet: the host sets one at once.
    virtual void on_dialled(const Candidate& candidate) = 0;
    // Nothing was dialled. `local_error`: what this host lacks, as errno, in which case no broker is to blame; else 0.
    virtual void on_not_dialled(int local_error) = 0;

   protected:
    ~Host() = default;
  };

  struct Timeouts {
    Duration connect;
    Duration handshake;
    Duration retry{};   // the pause before the first candidates are tried again; zero: they are not
    Duration budget{};  // for the whole dial; zero: unlimited
  };

  // The kinds of operations that a dialler has beside its leg's, counted from that of `first`.
  static constexpr std::uint16_t operations = ConnectRace::attempts_max;

  // `leg` is in stage none. `memory` may be null: each dial then begins with the first address. Everything outlives the
  // dialler, which is destroyed with nothing outstanding.
  Dialler(Host& host, Leg& leg, Leg::Shared& shared, KernelTls& kernel_tls, const Timeouts& timeouts,
          ring::Token first, net::AddressMemory* memory)
      : host_(host),
        leg_(leg),
        shared_(shared),
        kernel_tls_(kernel_tls),
        timeouts_(timeouts),
        memory_(memory),
        race_(shared.ring, first) {}

  void start(std::vector<Candidate> candidates);
  // `kind` counts from that of `first`.
  void on_completion(std::uint16_t kind, const ring::Completion& completion);
  void on_resolved(std::vector<SocketAddress> addresses, const std::string& error);
  void on_deadline();
  // While the host lets a candidate wait, Host::turn_of is asked again now; otherwise does nothing.
  void ask_again();
  // Buffers are free again after on_dial_starved().
  void resume();
  // The connection that was dialled turned out to be useless: the dial continues with the next address.
  void reject(std::string why);
  // The dial ends within `in` from now, because its client has ended. What that cuts short is no failure of a
  // candidate's: on_not_dialled follows without on_candidate_failed. Does nothing after the outcome, and never extends
  // the dial.
  void shorten(Duration in);

  // Ends the dial without an outcome; what is outstanding is cancelled. The leg is the host's to close.
  void close();

  // Completions that are still to come, beside the leg's. Zero once there is an outcome.
  std::uint32_t outstanding() const { return race_.outstanding(); }
  const Candidate& candidate() const { return candidates_[candidate_]; }
  // The one connected to. Valid once dialled.
  const SocketAddress& address() const { return address_; }
  // " ADDRESS (why) ADDRESS (why)": everything tried so far; empty: nothing.
  const std::string& tried() const { return tried_; }
  // The last failure. Valid once anything was tried.
  const Attempt& last() const { return last_; }
  // The client's end, by shorten(), left no time for the rest of the candidates. Valid after on_not_dialled.
  bool cut_short() const { return shortened_ && candidate_ < candidates_.size(); }
  // Some name was not resolved, or some address not connected to: neither TLS nor configuration explains that.
  bool network_failed() const { return network_failed_; }

 private:
  enum class State : std::uint8_t {
    resolving,
    connecting,
    handshaking,
    settling,  // bytes could flow; attempts that have lost are still to complete
    dialled,
    leaving,
    pausing,
    done,
  };

  // Leg::Owner
  void on_input(Leg& leg) override;
  void on_output(Leg& leg, std::size_t sent) override;
  void on_break(Leg& leg, const Leg::Break& what) override;
  void on_starved(Leg& leg) override;
  void on_left(Leg& leg) override;

  void next_candidate();
  void next_node();
  void next_address();
  void start_attempt();
  void on_won(const ConnectRace::Result& won);
  void stop_race();
  const HostPort& name() const { return candidate().address; }
  void after_candidate();
  bool may_retry() const;
  bool retry();
  void set_deadline(Duration in);
  bool out_of_time() const;
  void note(Attempt attempt);
  void give_up(Attempt attempt);
  void start_tls(std::shared_ptr<const tls::ClientContext> context);
  void shake_hands();
  void dialled();
  void finish(int local_error);

  Host& host_;
  Leg& leg_;
  Leg::Shared& shared_;
  KernelTls& kernel_tls_;
  const Timeouts timeouts_;
  net::AddressMemory* const memory_;
  ConnectRace race_;
  State state_ = State::resolving;
  bool same_address_ = false;    // the same address is dialled once more, with a full handshake
  bool full_handshake_ = false;  // no TLS session is offered any more
  bool network_failed_ = false;
  bool retried_ = false;
  bool shortened_ = false;
  bool asks_again_ = false;  // what comes after the pause is the host's to say
  bool quick_ = false;       // some connection to the candidate's node failed otherwise than by a time-out
  // Of the candidate's node: some attempt failed, and not for what this host lacks.
  bool broker_failed_ = false;
  int lack_ = 0;  // of the candidate's node: what this host lacked, as errno
  Instant give_up_at_ = Instant::max();
  Instant
      deadline_at_{};  // Of the host's deadline. Valid while resolving, connecting, handshaking or pausing.
  std::vector<Candidate> candidates_;
  std::size_t candidate_ = 0;
  std::vector<SocketAddress> addresses_;  // of the candidate, in the order in which they are tried
  std::size_t next_ = 0;                  // the first of them that was not tried
  bool several_ = false;                  // the candidate has more than one
  net::AddressMemory::Plan plan_;         // of the candidate's name
  Instant next_at_{};  // when the next address is tried beside those that are. Valid while connecting
  std::optional<SocketAddress> again_;  // an address that failed quickly while others have not answered
  SocketAddress address_;
  Duration took_{};  // the connection to `address_`
  std::string tried_;
  Attempt last_;
};

}  // namespace kferry::connection
