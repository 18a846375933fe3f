#include "proxy/acceptor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "proxy/accept_left.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// Accepting is tried again after this when descriptors ran out.
constexpr Duration accept_again_after = milliseconds(100);
constexpr int backlog = 1024;
// The kernel takes down a killed process's ring, and with it the listeners it accepts on, only after the process is
// gone: a process started at once in its place may find them still bound.
constexpr milliseconds predecessor_patience(3'000);
constexpr milliseconds predecessor_look(20);

// Both cannot be bound at once. IPv6 listeners are V6ONLY, except those of both families.
bool overlap(const SocketAddress& one, bool one_both, const SocketAddress& other, bool other_both) {
  if (one.port() != other.port()) return false;
  if (one.family() != other.family()) return one_both || other_both;
  return one == other || one.is_wildcard() || other.is_wildcard();
}

}  // namespace

Acceptor::~Acceptor() {
  KFERRY_ASSERT(stopped());
}

ring::Token Acceptor::token(Operation operation, std::uint32_t slot, std::uint16_t generation) const {
  return {slot, generation, static_cast<std::uint16_t>(kind_ + static_cast<std::uint16_t>(operation))};
}

// --- listeners

std::string Acceptor::listen_failure(const PortEntry& port, int error) {
  const SocketAddress& address = port.address;
  const auto in_the_way = std::ranges::find_if(listeners_, [&](const Listener& listener) {
    return error == EADDRINUSE && listener.state != State::closed &&
           overlap(listener.address, listener.both_families, address, port.both_families);
  });
  const std::string cannot = "cannot listen on " + address.text() + ": ";
  if (in_the_way == listeners_.end()) return cannot + listen_failure_text(error);
  return cannot + std::strerror(error) + ": kferry listens on " + in_the_way->address.text() +
         (in_the_way->both_families ? ", for IPv4 too," : "") +
         " until it has moved to this configuration: remove that listener first and add this one with the "
         "change after, or restart kferry";
}

ring::Ring::Opened Acceptor::open(const PortEntry& port) {
  const int handed =
      runtime_.handed == nullptr ? -1 : runtime_.handed->take(port.address, port.both_families);
  if (handed >= 0) return {ring::Socket{handed}, 0};
  const auto families = port.both_families ? ring::Ring::Families::both : ring::Ring::Families::own;
  return ring_.listen(port.address, backlog, families);
}

std::expected<std::vector<Acceptor::Opened>, std::string> Acceptor::open_added(const Plan& plan,
                                                                               milliseconds patience) {
  std::vector<bool> kept(plan.ports().size());
  for (const Listener& listener : listeners_) {
    if (listener.state != State::accepting && listener.state != State::pausing) continue;
    if (const PortEntry* port = plan.port(listener.address, listener.both_families))
      kept[static_cast<std::size_t>(port - plan.ports().data())] = true;
  }
  std::vector<Opened> all;
  for (std::uint32_t port = 0; port < plan.ports().size(); ++port) {
    if (kept[port]) continue;
    auto opened = open(plan.ports()[port]);
    for (; opened.error == EADDRINUSE && patience.count() > 0; patience -= predecessor_look) {
      std::this_thread::sleep_for(predecessor_look);
      opened = open(plan.ports()[port]);
    }
    if (opened.error != 0) {
      for (const Opened& one : all) ring_.close(one.socket, false);
      return std::unexpected(listen_failure(plan.ports()[port], opened.error));
    }
    all.push_back({opened.socket, port});
  }
  return all;
}

std::optional<std::string> Acceptor::move_within(const std::shared_ptr<const LivePlan>& live,
                                                 milliseconds patience) {
  const Plan& plan = *live->plan;
  const auto opened = open_added(plan, patience);
  if (!opened) return opened.error();
  std::uint32_t slot = 0;
  for (Listener& listener : listeners_) {
    if (listener.state == State::accepting || listener.state == State::pausing) {
      if (const PortEntry* port = plan.port(listener.address, listener.both_families)) {
        listener.live = live;
        listener.port = static_cast<std::uint32_t>(port - plan.ports().data());
        host_.set_options(listener.socket, plan.config().limits);
      } else {
        begin_close(slot);
      }
    }
    ++slot;
  }
  for (const Opened& one : *opened) {
    host_.set_options(one.socket, plan.config().limits);  // inherited by all sockets accepted later
    const std::uint32_t added = listeners_.take();
    Listener& listener = listeners_.at(added);
    listener.socket = one.socket;
    listener.address = plan.ports()[one.port].address;
    listener.both_families = plan.ports()[one.port].both_families;
    listener.live = live;
    listener.port = one.port;
    ++listening_;
    runtime_.listening.add(one.socket);
    begin_accept(added);
  }
  return std::nullopt;
}

std::optional<std::string> Acceptor::listen() {
  return move_within(runtime_.moves.current(), predecessor_patience);
}

std::optional<std::string> Acceptor::move_to(const std::shared_ptr<const LivePlan>& live) {
  KFERRY_ASSERT(settled());
  return move_within(live, milliseconds(0));
}

void Acceptor::begin_accept(std::uint32_t slot) {
  Listener& listener = listeners_.at(slot);
  listener.state = State::accepting;
  ring_.accept(token(Operation::accept, slot, listener.generation), listener.socket);
}

void Acceptor::begin_close(std::uint32_t slot) {
  Listener& listener = listeners_.at(slot);
  KFERRY_ASSERT(listener.state == State::accepting || listener.state == State::pausing);
  const Operation outstanding =
      listener.state == State::accepting ? Operation::accept : Operation::accept_again;
  listener.state = State::closing;
  ++closing_;
  runtime_.listening.remove(listener.socket);
  ring_.cancel(token(outstanding, slot, listener.generation));
}

// Nothing is outstanding on it.
void Acceptor::close(std::uint32_t slot) {
  Listener& listener = listeners_.at(slot);
  KFERRY_ASSERT(listener.state == State::closing && closing_ > 0 && listening_ > 0);
  // A connection wakes only one of the processes that accept here (io_uring's poll for accept is exclusive): if it was
  // this one, whose accept has been cancelled meanwhile, a successor never hears of it.
  for (int left = accept_left(listener.socket); left >= 0; left = accept_left(listener.socket))
    place(listener, ring::Socket{left});
  ring_.close(std::exchange(listener.socket, ring::Socket::none), false);
  listener.state = State::closed;
  listener.live.reset();
  ++listener.generation;
  listeners_.give_back(slot);
  --closing_;
  --listening_;
}

std::vector<SocketAddress> Acceptor::close_some(std::size_t count) {
  std::vector<SocketAddress> closed;
  std::uint32_t slot = 0;
  for (const Listener& listener : listeners_) {
    if (closed.size() == count) break;
    if (listener.state == State::accepting || listener.state == State::pausing) {
      begin_close(slot);
      closed.push_back(listener.address);
    }
    ++slot;
  }
  return closed;
}

void Acceptor::stop() {
  close_some(listening_);
}

// --- completions

void Acceptor::on_completion(Operation operation, const ring::Completion& completion) {
  const std::uint32_t slot = completion.token.slot;
  switch (operation) {
    case Operation::accept:
      return on_accepted(slot, completion);
    case Operation::accept_again:
      KFERRY_ASSERT(listeners_.at(slot).generation == completion.token.generation);
      if (listeners_.at(slot).state == State::closing) return close(slot);
      KFERRY_ASSERT(listeners_.at(slot).state == State::pausing);
      return begin_accept(slot);
    case Operation::receipt:
      return on_receipt(slot, completion.result);
    case Operation::handed_over:
      return host_.serve(runtime_.workers[index_]->arrivals.take(ring::Socket{completion.result}));
    case Operation::end_:
      break;
  }
  KFERRY_ASSERT(false);
}

void Acceptor::on_accepted(std::uint32_t slot, const ring::Completion& completion) {
  Listener& listener = listeners_.at(slot);
  KFERRY_ASSERT(listener.generation == completion.token.generation);
  KFERRY_ASSERT(listener.state == State::accepting || listener.state == State::closing);
  if (completion.result >= 0) place(listener, ring::Socket{completion.result});
  if (completion.more) return;
  if (listener.state == State::closing) return close(slot);
  if (completion.result < 0 && completion.result != -ECONNABORTED && completion.result != -EINTR) {
    runtime_.log.write({Severity::error, "accept_failed", "",
                        "cannot accept a connection: " + lack_text(-completion.result)});
    listener.state = State::pausing;
    ring_.timer(token(Operation::accept_again, slot, listener.generation), ring_.now() + accept_again_after);
    return;
  }
  begin_accept(slot);
}

// Kafka connections are few and uneven: the worker with the fewest sessions gets the next one.
void Acceptor::place(const Listener& listener, ring::Socket client) {
  Arrival arrival{client, listener.live, listener.port};
  if (!host_.lets_in(arrival)) return;
  const auto load = [&](std::size_t worker) {
    return runtime_.workers[worker]->sessions.load(std::memory_order_relaxed);
  };
  std::size_t to = index_;
  for (std::size_t worker = 0; worker < runtime_.workers.size(); ++worker)
    if (load(worker) < load(to)) to = worker;
  WorkerLink& link = *runtime_.workers[to];
  link.sessions.fetch_add(1, std::memory_order_relaxed);
  if (to == index_) return host_.serve(std::move(arrival));
  const std::uint32_t slot = hand_overs_.take();
  hand_overs_.at(slot) = {client, to};
  ++handed_over_;
  link.arrivals.put(std::move(arrival));
  ring_.message(token(Operation::receipt, slot), *link.mailbox, token(Operation::handed_over, 0),
                static_cast<std::int32_t>(client));
}

void Acceptor::on_receipt(std::uint32_t slot, int result) {
  KFERRY_ASSERT(handed_over_ > 0);
  --handed_over_;
  const HandOver record = std::exchange(hand_overs_.at(slot), HandOver{});
  hand_overs_.give_back(slot);
  if (result >= 0) return;
  // It did not arrive, so it is still ours to serve.
  WorkerLink& link = *runtime_.workers[record.to];
  Arrival arrival = link.arrivals.take(record.socket);
  link.sessions.fetch_sub(1, std::memory_order_relaxed);
  runtime_.workers[index_]->sessions.fetch_add(1, std::memory_order_relaxed);
  host_.serve(std::move(arrival));
}

}  // namespace kferry::proxy
