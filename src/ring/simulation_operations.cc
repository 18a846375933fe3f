// A ring's operations in the simulated world. Each is attempted after a random delay, and again whenever its sockets
// change, until it completes.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "ring/simulated_ring.h"
#include "ring/simulation.h"

namespace kferry::ring {

std::uint64_t Simulation::add_op(Op op) {
  const std::uint64_t id = next_op_++;
  ops_[id] = std::move(op);
  schedule(id, latency());
  return id;
}

void Simulation::schedule(std::uint64_t id, Duration delay) {
  Op& op = ops_[id];
  if (op.scheduled) return;
  op.scheduled = true;
  after(delay, [this, id] { attempt(id); });
}

void Simulation::touch(int id) {
  for (auto& [number, op] : ops_)
    if (op.kind != Kind::timer && (op.socket == id || op.to == id)) schedule(number, latency());
}

void Simulation::attempt(std::uint64_t id) {
  const auto found = ops_.find(id);
  if (found == ops_.end()) return;
  Op& op = found->second;
  op.scheduled = false;
  End& self = end(op.socket);
  if (self.connected && find(self.other) != nullptr && chance(options_.reset)) {
    break_end(self.other);
    break_end(op.socket);
  }
  switch (op.kind) {
    case Kind::accept:
      return try_accept(id, op);
    case Kind::connect:
      return try_connect(id, op);
    case Kind::receive:
      return try_receive(id, op);
    case Kind::send:
      return try_send(id, op);
    case Kind::splice:
      return try_splice(id, op);
    case Kind::poll:
      return try_poll(id, op);
    case Kind::watch:
      return try_watch(id, op);
    case Kind::timer:
      return;
  }
}

void Simulation::finish(std::uint64_t id, std::int32_t result) {
  const auto found = ops_.find(id);
  if (found == ops_.end()) return;
  trace("done " + std::to_string(id) + " kind " + std::to_string(static_cast<int>(found->second.kind)) +
        " socket " + std::to_string(found->second.socket) + " result " + std::to_string(result));
  found->second.ring->due_.push_back({found->second.token, result, false, {}});
  ops_.erase(found);
}

void Simulation::cancel(SimulatedRing& ring, Token token) {
  for (const auto& [id, op] : ops_) {
    if (op.ring != &ring || op.token != token) continue;
    after(latency(), [this, number = id] {  // it may be done by then
      const auto found = ops_.find(number);
      if (found == ops_.end()) return;
      const Op& late = found->second;
      if (late.held.empty() && late.left > 0) return finish(number, static_cast<std::int32_t>(late.left));
      finish(number, late.held.empty() ? -ECANCELED : -ECONNABORTED);
    });
  }
}

void Simulation::try_connect(std::uint64_t id, Op& op) {
  const auto fault = faults_.find(op.address.text());
  DialFault what = fault == faults_.end() ? DialFault::none : fault->second;
  if (what == DialFault::none && decide_dial_) what = decide_dial_(op.address);
  switch (what) {
    case DialFault::hang:
      return;
    case DialFault::refused:
      return finish(id, -ECONNREFUSED);
    case DialFault::unreachable:
      return finish(id, -EHOSTUNREACH);
    case DialFault::no_port:
      return finish(id, -EADDRNOTAVAIL);
    case DialFault::none:
      break;
  }
  const int listener = listener_at(op.address);
  if (listener < 0) return finish(id, -ECONNREFUSED);
  join(op.socket, listener);
  finish(id, 0);
}

void Simulation::try_accept(std::uint64_t id, Op& op) {
  End& listener = end(op.socket);
  if (listener.backlog.empty()) return;
  op.ring->due_.push_back({op.token, listener.backlog.front(), true, {}});
  listener.backlog.pop_front();
  if (!listener.backlog.empty()) schedule(id, latency());
}

void Simulation::try_receive(std::uint64_t id, Op& op) {
  End& self = end(op.socket);
  SimulatedRing& ring = *op.ring;
  if (self.broken) {
    const bool told = std::exchange(self.reset_reported, true);
    return finish(id, told ? 0 : -ECONNRESET);
  }
  const bool some_out = ring.buffers_free() < ring.buffer_count();
  if (ring.buffers_free() == 0 || (some_out && chance(options_.no_buffers))) return finish(id, -ENOBUFS);
  if (self.inbox.empty()) {
    if (self.fin_received) finish(id, 0);
    return;
  }
  std::size_t size = std::min<std::size_t>(
      {static_cast<std::size_t>(op.size), self.inbox.size(), ring.buffers_free() * ring.buffer_size()});
  if (chance(options_.short_read)) size = 1 + random(size);
  std::vector<Piece> pieces = ring.fill(take(op.socket, size));
  op.multishot -= std::min<std::uint64_t>(op.multishot, size);
  if (op.multishot == 0 || chance(options_.multishot_end)) {
    finish(id, static_cast<std::int32_t>(size));
    ring.due_.back().pieces = std::move(pieces);
    return;
  }
  ring.due_.push_back({op.token, static_cast<std::int32_t>(size), true, std::move(pieces)});
  if (self.inbox.empty() && self.fin_received && chance(500'000)) return finish(id, 0);  // in the same turn
  schedule(id, latency());
}

void Simulation::try_send(std::uint64_t id, Op& op) {
  End& self = end(op.socket);
  if (self.broken || self.fin_sent) {
    const bool told = self.fin_sent || std::exchange(self.reset_reported, true);
    return finish(id, told ? -EPIPE : -ECONNRESET);
  }
  std::string bytes;
  for (const iovec& piece : op.pieces) bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  std::size_t size = std::min(bytes.size(), room(self));
  if (size == 0) {
    if (op.quiet) finish(id, -EAGAIN);
    return;
  }
  if (chance(options_.short_write)) size = 1 + random(size);
  put(op.socket, std::string_view(bytes).substr(0, size));
  if (options_.sent) options_.sent(op.socket, std::string_view(bytes).substr(0, size), op.more);
  const bool whole = size == bytes.size();
  SimulatedRing& ring = *op.ring;
  const bool quiet = op.quiet && whole;
  finish(id, static_cast<std::int32_t>(size));
  if (!quiet) return;
  ring.quiet_.push_back(std::move(ring.due_.back()));
  ring.due_.pop_back();
}

void Simulation::try_splice(std::uint64_t id, Op& op) {
  constexpr std::size_t pipe_size = 64 * 1024;
  End& from = end(op.socket);
  End& to = end(op.to);
  if (to.broken || to.fin_sent) return finish(id, -EPIPE);
  if (op.held.empty()) {
    if (from.broken) return finish(id, std::exchange(from.reset_reported, true) ? 0 : -ECONNRESET);
    if (from.inbox.empty()) {
      if (op.left > 0 || from.fin_received) finish(id, static_cast<std::int32_t>(op.left));
      return;
    }
    if (op.left == 0 && chance(options_.no_buffers)) return finish(id, -ENOBUFS);
    std::size_t size =
        std::min<std::size_t>({static_cast<std::size_t>(op.size - op.left), from.inbox.size(), pipe_size});
    if (chance(options_.short_read)) size = 1 + random(size);
    op.held = take(op.socket, size);
  }
  std::size_t size = std::min(op.held.size(), room(to));
  if (size > 0) {
    if (chance(options_.short_write)) size = 1 + random(size);
    put(op.to, std::string_view(op.held).substr(0, size));
    op.held.erase(0, size);
    op.left += size;
    if (op.left == op.size) return finish(id, static_cast<std::int32_t>(op.left));
    schedule(id, latency());
  }
}

void Simulation::try_poll(std::uint64_t id, Op& op) {
  const End& self = end(op.socket);
  std::uint32_t events = 0;
  if (!self.inbox.empty() || !self.backlog.empty() || self.fin_received || self.broken) events |= POLLIN;
  if (self.connected && room(self) > 0) events |= POLLOUT;
  if (self.fin_received || self.broken) events |= POLLRDHUP;
  events &= static_cast<std::uint32_t>(op.size);
  if (self.broken) events |= POLLERR | POLLHUP;
  if (events != 0) finish(id, static_cast<std::int32_t>(events));
}

void Simulation::try_watch(std::uint64_t id, const Op& op) {
  const End& self = end(op.socket);
  if (self.broken && !self.reset_reported) return finish(id, POLLERR | POLLHUP);
  if (self.broken || (self.fin_received && self.fin_sent)) finish(id, POLLHUP);
}

}  // namespace kferry::ring
