// Listens on every port of the plan in force, accepts, and gives each connection to the worker with the fewest sessions
// by a message between their rings.
//
//   accepted ─▶ the worker with the fewest ──(itself)─▶ Host::serve
//                          └──message()──▶ the other worker's handed_over; until the receipt the socket is ours
//
// A connection belongs to the plan under which it was accepted, whatever plan its worker has reached when it arrives
// there. Every worker has an acceptor; only the first worker's listens. Lives on its worker's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/live_plan.h"
#include "proxy/runtime.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Acceptor {
 public:
  // Counted from the constructor's kind. handed_over completes on the receiving worker with the socket.
  enum class Operation : std::uint16_t { accept, accept_again, receipt, handed_over, end_ };
  static constexpr std::uint16_t operations = static_cast<std::uint16_t>(Operation::end_);

  class Host {
   public:
    // Whether a socket accepted on a port may stay. Otherwise it has been taken over, and the answer is false.
    virtual bool lets_in(Arrival& arrival) = 0;
    // Takes over an accepted socket, which is counted as this worker's session already.
    virtual void serve(Arrival arrival) = 0;
    virtual void set_options(ring::Socket socket, const config::Limits& limits) = 0;

   protected:
    ~Host() = default;
  };

  // `index`: this worker's in runtime.workers. `kind`: of the first operation. Everything outlives the acceptor.
  Acceptor(Host& host, Runtime& runtime, std::size_t index, ring::Ring& ring, std::uint16_t kind)
      : host_(host), runtime_(runtime), index_(index), ring_(ring), kind_(kind) {}
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // At start: binds every port of the current plan and begins to accept. Waits for a predecessor whose sockets linger.
  // The error names port, reason and remedy; then nothing is bound.
  std::optional<std::string> listen();
  // Opens the ports that `live` adds and closes those that it lacks; the others stay open throughout. What is accepted
  // on the ports of `live` belongs to it from now on. On an error, as of listen(), nothing has changed. Does not wait.
  std::optional<std::string> move_to(const std::shared_ptr<const LivePlan>& live);
  // The sockets of all ports that a move has closed are closed.
  bool settled() const { return closing_ == 0; }

  // How many ports accept.
  std::size_t accepting() const { return listening_ - closing_; }
  // Begins to close up to `count` of them, in no particular order. Returns where they listened.
  std::vector<SocketAddress> close_some(std::size_t count);

  void on_completion(Operation operation, const ring::Completion& completion);
  // Stops accepting; the listening sockets are closed once nothing is outstanding on them.
  void stop();
  // Nothing is outstanding any more: no accept, and no connection on its way to another worker.
  bool stopped() const { return listening_ == 0 && handed_over_ == 0; }

 private:
  enum class State : std::uint8_t {
    closed,
    accepting,
    pausing,  // after an error
    closing,  // until the accept or the pause has ended
  };
  struct Listener {
    ring::Socket socket = ring::Socket::none;
    SocketAddress address;
    bool both_families = false;  // PortEntry::both_families
    State state = State::closed;
    std::uint16_t generation = 0;
    // What accepted sockets belong to. Stays while closing.
    std::shared_ptr<const LivePlan> live;
    std::uint32_t port = 0;  // index into its ports
  };
  // An accepted socket on its way to another worker.
  struct HandOver {
    ring::Socket socket = ring::Socket::none;
    std::size_t to = 0;
  };
  struct Opened {
    ring::Socket socket = ring::Socket::none;
    std::uint32_t port = 0;
  };

  ring::Token token(Operation operation, std::uint32_t slot, std::uint16_t generation = 0) const;
  // Those ports of the plan that have no listener yet. On an error none is open.
  std::expected<std::vector<Opened>, std::string> open_added(const Plan& plan,
                                                             std::chrono::milliseconds patience);
  std::optional<std::string> move_within(const std::shared_ptr<const LivePlan>& live,
                                         std::chrono::milliseconds patience);
  std::string listen_failure(const PortEntry& port, int error);
  // Takes over the port's socket if it was handed to this process, or binds one.
  ring::Ring::Opened open(const PortEntry& port);
  void begin_accept(std::uint32_t slot);
  void begin_close(std::uint32_t slot);
  void close(std::uint32_t slot);
  void on_accepted(std::uint32_t slot, const ring::Completion& completion);
  void place(const Listener& listener, ring::Socket client);
  void on_receipt(std::uint32_t slot, int result);

  Host& host_;
  Runtime& runtime_;
  const std::size_t index_;
  ring::Ring& ring_;
  const std::uint16_t kind_;
  std::size_t listening_ = 0;      // listeners that are not closed
  std::size_t closing_ = 0;        // of those
  std::uint32_t handed_over_ = 0;  // without a receipt yet
  ring::SlotPool<Listener> listeners_;
  ring::SlotPool<HandOver> hand_overs_;
};

}  // namespace kferry::proxy
