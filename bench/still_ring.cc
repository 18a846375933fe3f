#include "still_ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "counted.h"

namespace kferry::bench {

using ring::Socket;
using ring::Token;

StillRing::StillRing(std::size_t buffer_count, std::size_t buffer_size)
    : buffer_size_(buffer_size), buffers_(buffer_count, std::vector<std::byte>(buffer_size)) {
  for (std::size_t id = buffer_count; id > 0; --id) free_.push_back(static_cast<std::uint16_t>(id - 1));
  ops_.reserve(256);
  left_.reserve(256);
}

// --- the world's side

Socket StillRing::open() {
  ends_.emplace_back();
  return Socket{static_cast<int>(ends_.size() - 1)};
}

Socket StillRing::arrive() {
  arrived_.push_back(open());
  return arrived_.back();
}

void StillRing::put(Socket socket, std::span<const std::byte> bytes) {
  ends_[index(socket)].inbox.push_back(bytes);
}

bool StillRing::due() const {
  return woken_ || std::ranges::any_of(ops_, [this](const Op& op) { return !op.quiet && possible(op); });
}

// --- ring::Ring

ring::Ring::Opened StillRing::listen(const SocketAddress&, int, Families) {
  return {open(), 0};
}

int StillRing::peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) {
  ++counts_.operations;
  std::size_t size = 0;
  for (const std::span<const std::byte> part : ends_[index(socket)].inbox) {
    if (offset < part.size()) {
      const auto bytes = part.subspan(offset).first(std::min(part.size() - offset, room.size() - size));
      std::memcpy(room.data() + size, bytes.data(), bytes.size());
      size += bytes.size();
    }
    offset -= std::min<std::uint64_t>(offset, part.size());
  }
  return size > 0 ? static_cast<int>(size) : -EAGAIN;
}

int StillRing::set_tls_key(Socket, bool, std::span<const std::byte>) {
  return -ENOENT;
}
int StillRing::receive_tls_record(Socket, std::span<std::byte>, std::uint8_t&) {
  return -ENOENT;
}
int StillRing::send_tls_record(Socket, std::uint8_t, std::span<const std::byte>) {
  return -ENOENT;
}

void StillRing::ask(const Op& op) {
  ++counts_.operations;
  ops_.push_back(op);
}

void StillRing::accept(Token token, Socket listener) {
  ask({.token = token, .kind = Kind::accept, .socket = listener});
}

ring::Ring::Opened StillRing::connect(Token token, const SocketAddress&) {
  const Socket socket = open();
  last_dialled_ = static_cast<int>(socket);
  ask({.token = token, .kind = Kind::connect, .socket = socket});
  return {socket, 0};
}

void StillRing::receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size) {
  ask({.token = token,
       .kind = Kind::receive,
       .socket = socket,
       .size = size_max,
       .multishot = multishot_size});
}

void StillRing::send(Token token, Socket socket, std::span<const iovec> pieces, ring::Notice notice,
                     bool /*more*/) {
  std::uint64_t size = 0;
  for (const iovec& piece : pieces.first(std::min(pieces.size(), iov_max))) size += piece.iov_len;
  ends_[index(socket)].taken += size;
  ask({.token = token,
       .kind = Kind::send,
       .socket = socket,
       .size = size,
       .quiet = notice == ring::Notice::with_next});
}

void StillRing::splice(Token token, Socket from, Socket to, std::uint64_t size) {
  ask({.token = token, .kind = Kind::splice, .socket = from, .to = to, .size = size});
}

void StillRing::poll(Token token, Socket socket, std::uint32_t events) {
  ask({.token = token, .kind = Kind::poll, .socket = socket, .size = events});
}

void StillRing::watch(Token token, Socket socket) {
  ask({.token = token, .kind = Kind::watch, .socket = socket});
}

void StillRing::timer(Token token, Instant) {
  ask({.token = token, .kind = Kind::timer});
}

void StillRing::cancel(Token token) {
  ++counts_.operations;
  for (Op& op : ops_) op.cancelled = op.cancelled || op.token == token;
}

void StillRing::message(Token, ring::Mailbox&, Token, std::int32_t) {
  KFERRY_ASSERT(false);  // there is no other ring
}

bool StillRing::possible(const Op& op) const {
  if (op.cancelled) return true;
  switch (op.kind) {
    case Kind::accept:
      return !arrived_.empty();
    case Kind::connect:
    case Kind::send:
      return true;
    case Kind::receive:
      return !ends_[index(op.socket)].inbox.empty() && !free_.empty();
    case Kind::splice:
    case Kind::poll:
      return !ends_[index(op.socket)].inbox.empty();
    case Kind::watch:
    case Kind::timer:
      return false;  // no time passes, and nothing breaks
  }
  return false;
}

std::span<const std::byte> StillRing::take(End& end, std::uint64_t size) {
  auto& first = end.inbox.front();
  const auto taken = first.first(std::min<std::uint64_t>(size, first.size()));
  first = first.subspan(taken.size());
  if (first.empty()) end.inbox.pop_front();
  return taken;
}

StillRing::Done StillRing::complete(const Op& op) {
  Done done;
  done.completion.token = op.token;
  std::int32_t& result = done.completion.result;
  if (op.cancelled) {
    result = -ECANCELED;
    return done;
  }
  switch (op.kind) {
    case Kind::accept:
      result = static_cast<std::int32_t>(arrived_.front());
      arrived_.pop_front();
      done.completion.more = true;
      break;
    case Kind::connect:
    case Kind::watch:
    case Kind::timer:
      break;
    case Kind::receive:
      for (std::uint64_t left = op.size; left > 0 && possible(op);) {
        auto& buffer = buffers_[free_.back()];
        const auto bytes = take(ends_[index(op.socket)], std::min<std::uint64_t>(left, buffer.size()));
        std::memcpy(buffer.data(), bytes.data(), bytes.size());
        done.pieces.push_back({free_.back(), {buffer.data(), bytes.size()}});
        free_.pop_back();
        left -= bytes.size();
        result += static_cast<std::int32_t>(bytes.size());
      }
      break;
    case Kind::send:
      result = static_cast<std::int32_t>(op.size);
      break;
    case Kind::splice:
      result = static_cast<std::int32_t>(take(ends_[index(op.socket)], op.size).size());
      ends_[index(op.to)].taken += static_cast<std::uint64_t>(result);
      break;
    case Kind::poll:
      result = static_cast<std::int32_t>(op.size);
      break;
  }
  return done;
}

std::span<const ring::Completion> StillRing::wait() {
  const Uncounted uncounted;
  ++counts_.waits;
  now_ += std::chrono::microseconds(10);
  done_.clear();
  const bool told = due();
  woken_ = false;
  left_.clear();
  for (const Op& op : ops_) {
    if (!possible(op) || (op.quiet && !told)) {
      left_.push_back(op);
      continue;
    }
    done_.push_back(complete(op));
    ring::Completion& completion = done_.back().completion;
    if (op.kind == Kind::receive && completion.result > 0) {
      Op next = op;
      next.multishot -= std::min<std::uint64_t>(op.multishot, static_cast<std::uint64_t>(completion.result));
      completion.more = next.multishot > 0;
      if (completion.more) left_.push_back(next);
    }
    if (op.kind == Kind::accept && !op.cancelled) left_.push_back(op);
  }
  ops_.swap(left_);
  completions_.clear();
  for (Done& done : done_) {
    done.completion.pieces = done.pieces;
    completions_.push_back(done.completion);
  }
  return completions_;
}

}  // namespace kferry::bench
