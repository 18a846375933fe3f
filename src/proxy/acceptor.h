// Listens on every port, accepts, and gives each connection to the worker with the fewest sessions by a message between
// their rings.
//
//   accepted ─▶ the worker with the fewest ──(itself)─▶ Host::serve
//                          └──message()──▶ the other worker's handed_over; until the receipt the socket is ours
//
// Every worker has one; only the first worker's listens. Lives on its worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/runtime.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Acceptor {
 public:
  // Counted from the constructor's kind. handed_over completes on the receiving worker: {port, handed_over}, socket.
  enum class Operation : std::uint16_t { accept, accept_again, receipt, handed_over, end_ };
  static constexpr std::uint16_t operations = static_cast<std::uint16_t>(Operation::end_);

  class Host {
   public:
    // Takes over a socket accepted on `runtime.live->plan->ports()[port]`, which is counted as this worker's session
    // already.
    virtual void serve(std::uint32_t port, ring::Socket client) = 0;
    virtual void set_options(ring::Socket socket) = 0;

   protected:
    ~Host() = default;
  };

  // `index`: this worker's in runtime.workers. `kind`: of the first operation. Everything outlives the acceptor.
  Acceptor(Host& host, Runtime& runtime, std::size_t index, ring::Ring& ring, std::uint16_t kind)
      : host_(host), runtime_(runtime), index_(index), ring_(ring), kind_(kind) {}
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Binds every port and begins to accept. The error names port, reason and remedy; then nothing is bound.
  std::optional<std::string> listen();
  void on_completion(Operation operation, std::uint32_t slot, const ring::Completion& completion);
  // Stops accepting; the listening sockets are closed once nothing is outstanding on them.
  void stop();
  // Nothing is outstanding any more: no accept, and no connection on its way to another worker.
  bool stopped() const { return accepts_ == 0 && handed_over_ == 0; }

 private:
  // An accepted socket on its way to another worker.
  struct HandOver {
    ring::Socket socket = ring::Socket::none;
    std::uint32_t port = 0;
    std::size_t to = 0;
  };

  ring::Token token(Operation operation, std::uint32_t slot) const;
  void on_accepted(std::uint32_t port, const ring::Completion& completion);
  void place(std::uint32_t port, ring::Socket client);
  void on_receipt(std::uint32_t slot, int result);
  void accept_ended();
  void close_listeners();

  Host& host_;
  Runtime& runtime_;
  const std::size_t index_;
  ring::Ring& ring_;
  const std::uint16_t kind_;
  bool stopping_ = false;
  std::uint32_t accepts_ = 0;            // outstanding, or waiting for their timer
  std::uint32_t handed_over_ = 0;        // without a receipt yet
  std::vector<ring::Socket> listening_;  // by port
  ring::SlotPool<HandOver> hand_overs_;
};

}  // namespace kferry::proxy
