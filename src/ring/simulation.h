// A world of simulated TCP in virtual time: every socket of every SimulatedRing, and the endpoints that a test plays
// itself. The seed decides the order of events and whether they happen whole or in parts, so the seed alone reproduces
// a failure. One thread. The caller alternates between running its rings and step().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

class SimulatedRing;
class Simulation;

// Chances are per attempt, in parts of a million.
struct SimulationOptions {
  std::uint64_t seed = 1;
  std::uint32_t short_read = 500'000;
  std::uint32_t multishot_end = 200'000;  // a multishot receive ends with these bytes
  std::uint32_t short_write = 500'000;
  bool peeks = true;  // Linux 6.9
  // ENOBUFS although buffers are free. Only while others are out, so that a recycle follows.
  std::uint32_t no_buffers = 20'000;
  std::uint32_t reset = 0;  // a connection breaks on its own
  std::size_t socket_buffer_min = 2'000;
  std::size_t socket_buffer_max = 100'000;
  Duration latency_max = std::chrono::microseconds{200};
  std::function<void(const std::string&)> trace{};  // called with one line per event
  // Called with the bytes that each send took, and its `more`.
  std::function<void(int socket, std::string_view bytes, bool more)> sent{};
};

// What happens to a dial instead of what the address's listener would do.
enum class DialFault : std::uint8_t { none, refused, unreachable, hang, no_port };

// An endpoint outside kferry, played by the test. Its calls take effect at once, without completions. Copies refer to
// the same endpoint.
class SimSocket {
 public:
  // Returns how many bytes it took: fewer than given if the other side does not read, 0 after a reset or shutdown().
  std::size_t write(std::string_view bytes);
  // Everything that has arrived, up to `size_max`.
  std::string read(std::size_t size_max = SIZE_MAX);
  std::size_t readable() const;
  // The other side sent FIN, and everything before it has been read.
  bool ended() const;
  bool was_reset() const;
  // Ended, reset, or closed here.
  bool closed() const;
  void shutdown();
  void close();
  void reset();
  // From now on nothing passes between this end and the other, which is told of no end: a host that lost its power, or
  // a network that drops every segment.
  void vanish();
  bool open() const;
  SocketAddress local_address() const;
  SocketAddress remote_address() const;

 private:
  friend class Simulation;
  friend class SimListener;
  SimSocket(Simulation& world, int id) : world_(&world), id_(id) {}
  Simulation* world_;
  int id_;
};

class SimListener {
 public:
  std::optional<SimSocket> accept();
  SocketAddress address() const;
  // Refuses later connections and resets those not yet accepted.
  void close();

 private:
  friend class Simulation;
  SimListener(Simulation& world, int id) : world_(&world), id_(id) {}
  Simulation* world_;
  int id_;
};

class Simulation {
 public:
  explicit Simulation(SimulationOptions options);

  Instant now() const { return now_; }
  std::uint64_t seed() const { return options_.seed; }
  // Runs the next event, if one is due by `until`. Otherwise advances the time to `until` and returns false.
  bool step(Instant until);
  // The same without a limit. False if there are no events left.
  bool step();

  // Connects at once; nullopt if there is no listener at the address.
  std::optional<SimSocket> connect_from_outside(const SocketAddress& address,
                                                const std::optional<SocketAddress>& from = {});
  std::optional<SimListener> listen_outside(const SocketAddress& address);
  void set_dial_fault(const SocketAddress& address, DialFault fault);
  // Asked once per dial to an address without a fault of its own.
  void decide_dials(std::function<DialFault(const SocketAddress&)> decide) {
    decide_dial_ = std::move(decide);
  }

  struct Leaks {
    std::size_t sockets = 0;  // of the rings, not of the test
    std::size_t operations = 0;
    std::size_t buffers = 0;  // not recycled
    bool any() const { return sockets + operations + buffers > 0; }
  };
  Leaks leaks() const;

  // For tests that make random choices of their own from the same seed.
  std::uint64_t random(std::uint64_t below) { return below == 0 ? 0 : random_() % below; }
  // Calls `what` after `delay`.
  void after(Duration delay, std::function<void()> what);

 private:
  friend class SimulatedRing;
  friend class SimSocket;
  friend class SimListener;

  enum class Kind : std::uint8_t { accept, connect, receive, send, splice, poll, watch, timer };
  struct End {
    SimulatedRing* owner = nullptr;  // null: the test's
    bool listening = false;
    bool connected = false;
    int other = -1;  // may have been closed
    SocketAddress local;
    SocketAddress remote;
    std::string inbox;
    std::size_t inbox_max = 0;
    bool fin_received = false;
    bool fin_sent = false;
    bool broken = false;                  // by RST
    bool reset_reported = false;          // the error is reported once, as the kernel does
    std::uint64_t received = 0;           // bytes that have reached the inbox
    std::uint64_t sent = 0;               // bytes that have reached the other end's inbox
    std::optional<Instant> deaf_since{};  // the other end has vanished: nothing that is sent is acknowledged
    bool unheard = false;                 // something was sent since
    std::size_t unsent = 0;               // so many bytes of it, which stay in this end's socket
    std::deque<int> backlog;
  };
  struct Op {
    SimulatedRing* ring = nullptr;
    Token token;
    Kind kind = Kind::poll;
    int socket = -1;
    int to = -1;
    std::uint64_t size = 0;
    std::uint64_t left = 0;
    std::uint64_t multishot = 0;  // receive: the bytes after which it ends; 0 for a single one
    std::string held{};
    std::vector<iovec> pieces{};
    SocketAddress address{};
    bool scheduled = false;
    bool quiet = false;
    bool more = false;
  };

  bool chance(std::uint32_t parts) { return random(1'000'000) < parts; }
  Duration latency() {
    return Duration{
        static_cast<std::int64_t>(random(static_cast<std::uint64_t>(options_.latency_max.count()) + 1))};
  }
  void trace(const std::string& line) {
    if (options_.trace) options_.trace(line);
  }

  End& end(int id);
  End* find(int id);
  int make_end(SimulatedRing* owner);
  int listener_at(const SocketAddress& address);
  int open_listener(SimulatedRing* owner, const SocketAddress& address, int& error);
  void join(int client, int listener);
  void close_end(int id, bool reset);
  void shut_end(int id);
  void break_end(int id);
  void vanish_end(int id);
  std::size_t room(const End& from);
  std::size_t put(int from, std::string_view bytes);
  std::string take(int id, std::size_t size);
  void touch(int id);

  std::uint64_t add_op(Op op);
  void schedule(std::uint64_t op, Duration delay);
  void attempt(std::uint64_t id);
  void finish(std::uint64_t id, std::int32_t result);
  void cancel(SimulatedRing& ring, Token token);
  void try_connect(std::uint64_t id, Op& op);
  void try_accept(std::uint64_t id, Op& op);
  void try_receive(std::uint64_t id, Op& op);
  void try_send(std::uint64_t id, Op& op);
  void try_splice(std::uint64_t id, Op& op);
  void try_poll(std::uint64_t id, Op& op);
  void try_watch(std::uint64_t id, const Op& op);

  SimulationOptions options_;
  std::mt19937_64 random_;
  Instant now_{std::chrono::hours{1}};
  std::uint64_t events_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> agenda_;
  std::map<int, End> ends_;
  std::map<std::uint64_t, Op> ops_;
  std::map<std::string, DialFault> faults_;
  std::function<DialFault(const SocketAddress&)> decide_dial_;
  std::vector<SimulatedRing*> rings_;
  int next_end_ = 1000;
  std::uint64_t next_op_ = 1;
  std::uint16_t next_port_ = 20'000;
};

}  // namespace kferry::ring
