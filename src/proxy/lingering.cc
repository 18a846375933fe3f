#include "proxy/lingering.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace kferry::proxy {

Lingering::~Lingering() {
  KFERRY_ASSERT(stopped());
}

ring::Token Lingering::token(Operation operation, std::uint32_t slot, std::uint16_t generation) const {
  return {slot, generation, static_cast<std::uint16_t>(kind_ + static_cast<std::uint16_t>(operation))};
}

void Lingering::take(ring::Socket socket) {
  if (stopping_) return ring_.close(socket, false);
  const std::uint32_t slot = sockets_.take();
  One& one = sockets_.at(slot);
  one.socket = socket;
  one.due = false;
  ++count_;
  due_.push_back({ring_.now() + linger_timeout, slot, one.generation});
  if (!std::exchange(timer_armed_, true)) ring_.timer(token(Operation::timer, 0, 0), due_.front().at);
  receive(slot);
}

void Lingering::receive(std::uint32_t slot) {
  One& one = sockets_.at(slot);
  KFERRY_ASSERT(one.socket != ring::Socket::none && !one.receiving);
  one.receiving = true;
  ring_.receive(token(Operation::receive, slot, one.generation), one.socket, ring_.buffer_size());
}

// Nothing is outstanding on it.
void Lingering::close(std::uint32_t slot) {
  One& one = sockets_.at(slot);
  KFERRY_ASSERT(one.socket != ring::Socket::none && !one.receiving);
  ring_.close(std::exchange(one.socket, ring::Socket::none), false);
  ++one.generation;
  sockets_.give_back(slot);
  --count_;
}

void Lingering::end(std::uint32_t slot) {
  One& one = sockets_.at(slot);
  if (!one.receiving) return close(slot);
  if (!std::exchange(one.due, true)) ring_.cancel(token(Operation::receive, slot, one.generation));
}

void Lingering::on_completion(Operation operation, const ring::Completion& completion) {
  if (operation == Operation::timer) return on_timer();
  KFERRY_ASSERT(operation == Operation::receive);
  const std::uint32_t slot = completion.token.slot;
  One& one = sockets_.at(slot);
  KFERRY_ASSERT(one.generation == completion.token.generation && one.receiving);
  for (const ring::Piece& piece : completion.pieces) ring_.recycle(piece.id);
  if (completion.more) return;
  one.receiving = false;
  if (one.due) return close(slot);
  if (completion.result > 0) return receive(slot);
  if (completion.result != -ENOBUFS) return close(slot);
  starved_.push_back({{}, slot, one.generation});
}

void Lingering::feed_starved() {
  for (std::size_t rounds = std::min(starved_.size(), ring_.buffers_free()); rounds > 0; --rounds) {
    const Due next = starved_.front();
    starved_.pop_front();
    if (sockets_.at(next.slot).generation == next.generation) receive(next.slot);
  }
}

void Lingering::on_timer() {
  timer_armed_ = false;
  while (!due_.empty() && due_.front().at <= ring_.now()) {
    const Due next = due_.front();
    due_.pop_front();
    if (sockets_.at(next.slot).generation == next.generation) end(next.slot);
  }
  if (due_.empty() || stopping_) return;
  timer_armed_ = true;
  ring_.timer(token(Operation::timer, 0, 0), due_.front().at);
}

void Lingering::stop() {
  stopping_ = true;
  if (timer_armed_) ring_.cancel(token(Operation::timer, 0, 0));
  for (std::uint32_t slot = 0; One & one : sockets_) {
    if (one.socket != ring::Socket::none) end(slot);
    ++slot;
  }
}

}  // namespace kferry::proxy
