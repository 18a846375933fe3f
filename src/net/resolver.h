// Resolves names to addresses, off the rings. Any thread may send a request to the resolver. Its one answer arrives in
// the requester's AnswerQueue, which the requester drains on its own thread.
//
//   worker ── resolve(request, where, queue) ──▶ Resolver (its own thread)
//   worker ◀─ queue->drain() ◀─ notify() ◀────── queue->push(answer)
//
// Rules for every implementation: an address literal is answered at once, without DNS, from within resolve(). All
// addresses of a name are in one answer, IPv4 first, each family in the order of DNS, and the caller tries them all.
// There is exactly one answer per request, unless the queue was closed. Implementations: net/cares_resolver.h and
// net/simulated_resolver.h.
#pragma once

#include <atomic>
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
  // Each with the request's port. Empty if the name could not be resolved; `error` then says why.
  std::vector<SocketAddress> addresses{};
  // Why there is no fresh answer, for an operator: "DNS server failure (SERVFAIL) for kafka1". Empty if it is fresh.
  std::string error{};
  // DNS failed, and these are the last addresses it returned, `age` ago. Never set after an authoritative "no such
  // name", because the address may belong to another broker by now.
  bool stale = false;
  Duration age{};
};

// The answers for one requester. Held by shared_ptr, because an answer may arrive after the requester is destroyed.
class AnswerQueue {
 public:
  // `notify` is called from another thread after each push onto an empty queue, under the queue's lock. It must be
  // short and must not call the queue. Ring::wake() is a good choice.
  explicit AnswerQueue(std::function<void()> notify) : notify_(std::move(notify)) {}

  // Any thread. Drops the answer if the queue is closed.
  void push(Answer answer);
  // Removes and returns all answers, in order of arrival. Takes the lock only where there are some.
  std::vector<Answer> drain();
  // Once it has returned, notify is never called again. The requester calls it before destroying what notify uses.
  void close();

 private:
  std::mutex mutex_;
  std::function<void()> notify_;
  std::vector<Answer> answers_;
  std::atomic<bool> any_ = false;  // set before notify_ is called
  bool closed_ = false;
};

class Resolver {
 public:
  virtual ~Resolver() = default;

  // Asks for the addresses of where.host. `request` is a number of the caller's, unique within its queue, and is
  // repeated in the answer. Any thread. Never blocks on the network.
  virtual void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) = 0;
  // A connection to one of the name's addresses failed, or was ended by the other side: the next resolve() asks DNS
  // anew, whatever the TTL; after the first time at most once a second. Any thread; literals are ignored.
  virtual void doubt(const std::string& host) = 0;
};

// For implementations: the same address with another port, and a stable partition with IPv4 first.
SocketAddress with_port(const SocketAddress& address, std::uint16_t port);
std::vector<SocketAddress> ipv4_first(const std::vector<SocketAddress>& addresses);

// For tools without a ring: asks and waits for the answer, which every resolver gives within its own time limit.
Answer resolve_and_wait(Resolver& resolver, const HostPort& where);

}  // namespace kferry::net
