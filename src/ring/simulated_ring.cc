#include "ring/simulated_ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace kferry::ring {
namespace {
int id_of(Socket socket) {
  return static_cast<int>(socket);
}
}  // namespace

SimulatedRing::SimulatedRing(Simulation& world, std::size_t buffer_count, std::size_t buffer_size)
    : world_(world),
      now_(world.now()),
      buffer_size_(buffer_size),
      buffers_(buffer_count, std::vector<std::byte>(buffer_size)),
      out_(buffer_count),
      box_(std::make_shared<Box>()) {
  for (std::size_t id = 0; id < buffer_count; ++id) free_.push_back(static_cast<std::uint16_t>(id));
  box_->ring = this;
  world_.rings_.push_back(this);
}

SimulatedRing::~SimulatedRing() {
  box_->ring = nullptr;
  std::erase(world_.rings_, this);
  std::erase_if(world_.ops_, [this](const auto& entry) { return entry.second.ring == this; });
}

Ring::Opened SimulatedRing::listen(const SocketAddress& address, int, Families) {
  int error = 0;
  const int id = world_.open_listener(this, address, error);
  return {id < 0 ? Socket::none : Socket{id}, error};
}

SocketAddress SimulatedRing::local_address(Socket socket) {
  return world_.end(id_of(socket)).local;
}
SocketAddress SimulatedRing::remote_address(Socket socket) {
  return world_.end(id_of(socket)).remote;
}
void SimulatedRing::shut_write(Socket socket) {
  world_.shut_end(id_of(socket));
}

// Asserts that no operation reads from the socket.
void SimulatedRing::expect_unread(Socket socket) const {
  for (const auto& [id, op] : world_.ops_)
    KFERRY_ASSERT(op.socket != id_of(socket) ||
                  (op.kind != Simulation::Kind::receive && op.kind != Simulation::Kind::splice));
}

int SimulatedRing::peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) {
  expect_unread(socket);
  if (!world_.options_.peeks && offset != 0) return -EOPNOTSUPP;
  const Simulation::End& end = world_.end(id_of(socket));
  if (offset >= end.inbox.size()) return end.fin_received ? 0 : -EAGAIN;
  const auto there = std::string_view(end.inbox).substr(offset);
  std::size_t size = std::min(there.size(), room.size());
  if (world_.chance(world_.options_.short_read))
    size = world_.random(size + 1);  // the rest has not arrived yet
  if (size == 0) return -EAGAIN;
  std::memcpy(room.data(), there.data(), size);
  return static_cast<int>(size);
}

// What is in the other end's inbox counts as acknowledged, as with TCP, and a full inbox as a zero window.
TcpState SimulatedRing::tcp_state(Socket socket) {
  const Simulation::End& end = world_.end(id_of(socket));
  TcpState state;
  state.reset = end.broken && !end.reset_reported;
  state.ended = end.fin_received;
  state.received = end.received;
  state.acknowledged = end.sent;
  if (end.deaf_since) {
    state.awaits_ack = state.undelivered = end.unheard;
    state.silence = world_.now() - *end.deaf_since;
  }
  for (const auto& [id, op] : world_.ops_) {
    const bool sends = op.kind == Simulation::Kind::send && op.socket == id_of(socket);
    const bool splices = op.kind == Simulation::Kind::splice && op.to == id_of(socket) && !op.held.empty();
    state.undelivered = state.undelivered || sends || splices;
  }
  return state;
}

void SimulatedRing::close(Socket socket, bool reset) {
  for (const auto& [id, op] : world_.ops_)
    KFERRY_ASSERT(op.kind == Simulation::Kind::timer ||
                  (op.socket != id_of(socket) && op.to != id_of(socket)));
  world_.close_end(id_of(socket), reset);
}

void SimulatedRing::accept(Token token, Socket listener) {
  world_.add_op({.ring = this, .token = token, .kind = Simulation::Kind::accept, .socket = id_of(listener)});
}

Ring::Opened SimulatedRing::connect(Token token, const SocketAddress& address) {
  const int id = world_.make_end(this);
  world_.end(id).remote = address;
  world_.add_op(
      {.ring = this, .token = token, .kind = Simulation::Kind::connect, .socket = id, .address = address});
  return {Socket{id}, 0};
}

void SimulatedRing::receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size) {
  KFERRY_ASSERT(size_max > 0);
  expect_unread(socket);
  world_.add_op({.ring = this,
                 .token = token,
                 .kind = Simulation::Kind::receive,
                 .socket = id_of(socket),
                 .size = size_max,
                 .multishot = multishot_size});
}

void SimulatedRing::send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice,
                         bool more) {
  KFERRY_ASSERT(!pieces.empty());
  for (const auto& [id, op] : world_.ops_)
    KFERRY_ASSERT((op.socket != id_of(socket) || op.kind != Simulation::Kind::send) &&
                  op.to != id_of(socket));
  const std::uint64_t id = world_.add_op(
      {.ring = this,
       .token = token,
       .kind = Simulation::Kind::send,
       .socket = id_of(socket),
       .pieces = {pieces.begin(),
                  pieces.begin() + static_cast<std::ptrdiff_t>(std::min(pieces.size(), iov_max))},
       .quiet = notice == Notice::with_next,
       .more = more});
  if (notice == Notice::with_next) world_.attempt(id);  // completes at submission, even if short or failed
}

void SimulatedRing::splice(Token token, Socket from, Socket to, std::uint64_t size) {
  KFERRY_ASSERT(size > 0);
  for (const auto& [id, op] : world_.ops_)
    KFERRY_ASSERT(!(op.kind == Simulation::Kind::receive && op.socket == id_of(from)) &&
                  !(op.kind == Simulation::Kind::send && op.socket == id_of(to)));
  world_.add_op({.ring = this,
                 .token = token,
                 .kind = Simulation::Kind::splice,
                 .socket = id_of(from),
                 .to = id_of(to),
                 .size = size});
}

void SimulatedRing::poll(Token token, Socket socket, std::uint32_t events) {
  world_.add_op({.ring = this,
                 .token = token,
                 .kind = Simulation::Kind::poll,
                 .socket = id_of(socket),
                 .size = events});
}

void SimulatedRing::watch(Token token, Socket socket) {
  world_.add_op({.ring = this, .token = token, .kind = Simulation::Kind::watch, .socket = id_of(socket)});
}

void SimulatedRing::timer(Token token, Instant deadline) {
  const std::uint64_t id = world_.next_op_++;
  world_.ops_[id] = {.ring = this, .token = token, .kind = Simulation::Kind::timer, .scheduled = true};
  world_.after(std::max(deadline - world_.now(), Duration::zero()),
               [&world = world_, id] { world.finish(id, 0); });
}

void SimulatedRing::cancel(Token token) {
  woken_ = true;
  world_.cancel(*this, token);
}

std::shared_ptr<Mailbox> SimulatedRing::mailbox() {
  return box_;
}

void SimulatedRing::message(Token receipt, Mailbox& to, Token token, std::int32_t value) {
  auto target = std::static_pointer_cast<Box>(
      static_cast<Box&>(to).ring == nullptr ? std::shared_ptr<Mailbox>{} : static_cast<Box&>(to).ring->box_);
  world_.after(world_.latency(), [from = box_, target, receipt, token, value] {
    const bool there = target != nullptr && target->ring != nullptr;
    if (there) target->ring->due_.push_back({token, value, false, {}});
    if (from->ring != nullptr) from->ring->due_.push_back({receipt, there ? 0 : -EOWNERDEAD, false, {}});
  });
}

void SimulatedRing::return_memory() {
  ++memory_returns_;
  for (const std::uint16_t id : free_) std::ranges::fill(buffers_[id], std::byte{0});
}

void SimulatedRing::recycle(std::uint16_t buffer_id) {
  KFERRY_ASSERT(buffer_id < out_.size() && out_[buffer_id]);
  out_[buffer_id] = false;
  std::memset(buffers_[buffer_id].data(), 0xDB, buffer_size_);
  free_.push_back(buffer_id);
}

std::vector<Piece> SimulatedRing::fill(std::string_view bytes) {
  std::vector<Piece> pieces;
  while (!bytes.empty()) {
    const std::uint16_t id = free_.front();
    free_.pop_front();
    out_[id] = true;
    const std::size_t size = std::min(bytes.size(), buffer_size_);
    std::memcpy(buffers_[id].data(), bytes.data(), size);
    pieces.push_back({id, {buffers_[id].data(), size}});
    bytes.remove_prefix(size);
  }
  return pieces;
}

std::span<const Completion> SimulatedRing::wait() {
  now_ = world_.now();
  const bool woken = std::exchange(woken_, false);
  completions_.clear();
  taken_.clear();
  if (!due_.empty() || woken) taken_.swap(quiet_);
  taken_.insert(taken_.end(), due_.begin(), due_.end());
  due_.clear();
  for (const Due& due : taken_) completions_.push_back({due.token, due.result, due.more, due.pieces});
  return completions_;
}

}  // namespace kferry::ring
