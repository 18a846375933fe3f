// Names to addresses, off the rings. A request goes to the resolver from any thread; its one answer comes
// back through the requester's AnswerQueue, which is drained on the requester's own thread.
//
//   worker ── resolve(request, where, queue) ──▶ Resolver (its own thread)
//   worker ◀─ queue->drain() ◀─ notify() ◀────── queue->push(answer)
//
// Rules every implementation keeps: an address literal is answered at once, without DNS, from inside
// resolve(); all addresses of a name come in one answer, IPv4 first, each family in the order DNS gave; the
// caller tries them all; exactly one answer per request unless the queue was closed. Implementations:
// net/cares_resolver.h, net/simulated_resolver.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/socket_address.h"

namespace kferry::net {

struct Answer {
  std::uint64_t request = 0;
  // Empty: the name could not be resolved, and `error` says why. Each carries the request's port.
  std::vector<SocketAddress> addresses{};
  // Why there is no fresh answer, for an operator: "DNS server failure (SERVFAIL) for kafka1". Empty when
  // fresh.
  std::string error{};
  // True: DNS failed now, and these are the last addresses it gave, `age` ago. Never after an authoritative
  // "no such name": the address may belong to another broker by now.
  bool stale = false;
  Duration age{};
};

// One requester's mailbox. Held by shared_ptr, since an answer may come after the requester has gone.
class AnswerQueue {
 public:
  // `notify` is called from another thread after each push onto an empty queue, and under the queue's lock:
  // it must be short and must not call the queue (Ring::wake is meant).
  explicit AnswerQueue(std::function<void()> notify) : notify_(std::move(notify)) {}

  // Any thread. Dropped once the queue is closed.
  void push(Answer answer);
  // What has come, in order of arrival; empties the queue.
  std::vector<Answer> drain();
  // After it returns notify is never called again. The requester calls it before what notify uses goes.
  void close();

 private:
  std::mutex mutex_;
  std::function<void()> notify_;
  std::vector<Answer> answers_;
  bool closed_ = false;
};

class Resolver {
 public:
  virtual ~Resolver() = default;

  // Asks for the addresses of where.host; `request` is the caller's own number, unique within its queue, and
  // comes back in the answer. Any thread. Never blocks on the network.
  virtual void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) = 0;
};

// For those that implement the above: the same address with another port, and IPv4 in front with the order
// kept.
SocketAddress with_port(const SocketAddress& address, std::uint16_t port);
std::vector<SocketAddress> ipv4_first(const std::vector<SocketAddress>& addresses);

// For tools without a ring: asks and waits for the answer, which every resolver gives within its own time
// limit.
Answer resolve_and_wait(Resolver& resolver, const HostPort& where);

}  // namespace kferry::net
