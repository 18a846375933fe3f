// Connections whose PROXY protocol header has not come whole yet: a stage between accepting a socket and its session,
// before TLS. Bytes are looked at before they are received, so that not one behind the header is taken.
//
//   take() ─▶ polling ─bytes of a header▶ receiving ─▶ polling … ─whole▶ Host::pass
//                └─no header─▶ Host::pass, or the end         time out, malformed, closed─▶ Host::turn_away
//
// One worker's; on its thread. A connection here costs a slot, a poll, and at most net::proxy_header_size_max bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/close_cause.h"
#include "base/failure.h"
#include "net/proxy_header.h"
#include "proxy/arrivals.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class HeaderReader {
 public:
  enum class Operation : std::uint16_t { readable, receive, timer, end_ };
  static constexpr std::uint16_t operations = static_cast<std::uint16_t>(Operation::end_);

  enum class Presence : std::uint8_t { optional, required };

  class Host {
   public:
    // The header has been received, and nothing behind it. Null: the connection begins without one.
    virtual void pass(Arrival arrival, std::unique_ptr<const net::ProxyHeader> header) = 0;
    // The connection ends before its session. `why`: what is logged; nullopt: nothing is. `probe`: not a byte has come.
    struct Ending {
      CloseCause cause = CloseCause::client_closed;
      std::optional<Failure> why;
      bool probe = false;
    };
    virtual void turn_away(Arrival arrival, Ending ending) = 0;

   protected:
    ~Host() = default;
  };

  // `kind`: of the first operation. Everything outlives it.
  HeaderReader(Host& host, ring::Ring& ring, std::uint16_t kind) : host_(host), ring_(ring), kind_(kind) {}
  ~HeaderReader();
  HeaderReader(const HeaderReader&) = delete;
  HeaderReader& operator=(const HeaderReader&) = delete;

  // Takes over a socket that nothing has been received from. The header is to be whole within `patience`.
  void take(Arrival arrival, Presence presence, Duration patience);
  void on_completion(Operation operation, const ring::Completion& completion);
  // At the end of each turn: receives again where no buffer was free.
  void feed() {
    if (!starved_.empty()) feed_starved();
  }
  // kferry drains: who is here, and who is still to come, has at most so long.
  void hurry(Duration patience);
  // Ends every connection; done once stopped() holds.
  void stop();
  bool stopped() const { return count_ == 0 && !timer_armed_; }
  std::size_t size() const { return count_; }

 private:
  enum class State : std::uint8_t {
    free,
    polling,
    receiving,
    starved,  // no buffer was free
    late,     // its time is over, and its operation was cancelled
  };
  struct One {
    Arrival arrival;
    std::string bytes;  // of the header, as far as it was received
    Presence presence = Presence::required;
    State state = State::free;
    std::uint16_t generation = 0;
  };
  struct Due {
    Instant at{};
    std::uint32_t slot = 0;
    std::uint16_t generation = 0;
  };

  ring::Token token(Operation operation, std::uint32_t slot, std::uint16_t generation) const;
  void poll(std::uint32_t slot);
  void receive(std::uint32_t slot, std::size_t size);
  void on_readable(std::uint32_t slot, int result);
  void on_received(std::uint32_t slot, const ring::Completion& completion);
  void feed_starved();
  // The socket's end, or an error of its.
  void on_end(std::uint32_t slot, int error);
  void end(std::uint32_t slot, Host::Ending ending);
  void end_late(std::uint32_t slot);
  void expire(std::uint32_t slot);
  void on_timer();
  void arm();
  Arrival release(std::uint32_t slot);

  Host& host_;
  ring::Ring& ring_;
  const std::uint16_t kind_;
  std::size_t count_ = 0;
  bool timer_armed_ = false;
  bool stopping_ = false;
  std::optional<Duration> patience_max_;  // by hurry()
  std::deque<Due> due_;                   // in the order in which they came
  std::deque<Due> starved_;
  ring::SlotPool<One> connections_;
};

}  // namespace kferry::proxy
