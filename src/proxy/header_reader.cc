#include "proxy/header_reader.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace kferry::proxy {
namespace {

using Read = net::ProxyRead::State;

// What is looked at at once: more than load balancers send.
constexpr std::size_t look_size = 512;

}  // namespace

HeaderReader::~HeaderReader() {
  KFERRY_ASSERT(stopped());
}

ring::Token HeaderReader::token(Operation operation, std::uint32_t slot, std::uint16_t generation) const {
  return {slot, generation, static_cast<std::uint16_t>(kind_ + static_cast<std::uint16_t>(operation))};
}

void HeaderReader::take(Arrival arrival, Presence presence, Duration patience) {
  KFERRY_ASSERT(!stopping_);
  const std::uint32_t slot = connections_.take();
  One& one = connections_.at(slot);
  KFERRY_ASSERT(one.state == State::free);
  one.arrival = std::move(arrival);
  one.bytes.clear();
  one.presence = presence;
  ++count_;
  if (patience_max_) patience = std::min(patience, *patience_max_);
  due_.push_back({ring_.now() + patience, slot, one.generation});
  arm();
  poll(slot);
}

// --- operations

void HeaderReader::poll(std::uint32_t slot) {
  One& one = connections_.at(slot);
  one.state = State::polling;
  ring_.poll(token(Operation::readable, slot, one.generation), one.arrival.socket, POLLIN | POLLRDHUP);
}

void HeaderReader::receive(std::uint32_t slot, std::size_t size) {
  One& one = connections_.at(slot);
  one.state = State::receiving;
  ring_.receive(token(Operation::receive, slot, one.generation), one.arrival.socket, size);
}

void HeaderReader::on_completion(Operation operation, const ring::Completion& completion) {
  if (operation == Operation::timer) return on_timer();
  const std::uint32_t slot = completion.token.slot;
  One& one = connections_.at(slot);
  KFERRY_ASSERT(one.generation == completion.token.generation && !completion.more);
  if (one.state == State::late) {
    for (const ring::Piece& piece : completion.pieces) ring_.recycle(piece.id);
    return end_late(slot);
  }
  if (operation == Operation::receive) return on_received(slot, completion);
  KFERRY_ASSERT(operation == Operation::readable && one.state == State::polling);
  on_readable(slot, completion.result);
}

void HeaderReader::on_readable(std::uint32_t slot, int result) {
  if (result < 0) return on_end(slot, -result);
  One& one = connections_.at(slot);
  std::array<std::byte, look_size> room;
  const int size = ring_.peek(one.arrival.socket, 0, room);
  if (size == -EAGAIN || size == -EINTR) return poll(slot);
  if (size <= 0) return on_end(slot, -size);
  const std::size_t known = one.bytes.size();
  std::string bytes = one.bytes;
  bytes.append(reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(size));
  net::ProxyHeader header;
  const net::ProxyRead read = net::read_proxy_header(std::as_bytes(std::span(bytes)), header);
  switch (read.state) {
    case Read::complete:
      return receive(slot, read.size - known);
    case Read::incomplete:
      return receive(slot, static_cast<std::size_t>(size));
    case Read::absent:
      if (known == 0 && one.presence == Presence::optional) return host_.pass(release(slot), nullptr);
      return end(slot,
                 {CloseCause::refused_protocol,
                  Failure{"proxy_header_missing",
                          "the connection does not begin with a PROXY protocol header: switch it on in the "
                          "load balancer, or let clients connect to the load balancer"}});
    case Read::malformed:
      return end(slot, {CloseCause::refused_protocol,
                        Failure{"proxy_header_malformed",
                                "the PROXY protocol header has " + std::string(read.fault)}});
  }
}

void HeaderReader::on_received(std::uint32_t slot, const ring::Completion& completion) {
  One& one = connections_.at(slot);
  KFERRY_ASSERT(one.state == State::receiving);
  for (const ring::Piece& piece : completion.pieces) {
    one.bytes.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
    ring_.recycle(piece.id);
  }
  if (completion.result == -ENOBUFS) {
    one.state = State::starved;
    return starved_.push_back({{}, slot, one.generation});
  }
  if (completion.result <= 0) return on_end(slot, -completion.result);
  auto header = std::make_unique<net::ProxyHeader>();
  if (net::read_proxy_header(std::as_bytes(std::span(one.bytes)), *header).state != Read::complete)
    return poll(slot);
  host_.pass(release(slot), std::move(header));
}

// What is to be received is found out anew.
void HeaderReader::feed_starved() {
  for (std::size_t rounds = std::min(starved_.size(), ring_.buffers_free()); rounds > 0; --rounds) {
    const Due next = starved_.front();
    starved_.pop_front();
    if (connections_.at(next.slot).generation == next.generation) poll(next.slot);
  }
}

// --- ends

Arrival HeaderReader::release(std::uint32_t slot) {
  One& one = connections_.at(slot);
  KFERRY_ASSERT(one.state != State::free);
  Arrival arrival = std::move(one.arrival);
  one.arrival = {};
  one.bytes = {};
  one.state = State::free;
  ++one.generation;
  connections_.give_back(slot);
  --count_;
  return arrival;
}

void HeaderReader::end(std::uint32_t slot, Host::Ending ending) {
  host_.turn_away(release(slot), std::move(ending));
}

void HeaderReader::on_end(std::uint32_t slot, int error) {
  const bool probe = connections_.at(slot).bytes.empty();
  end(slot, {error == 0 ? CloseCause::client_closed : CloseCause::client_reset, std::nullopt, probe});
}

void HeaderReader::end_late(std::uint32_t slot) {
  const One& one = connections_.at(slot);
  if (stopping_) return end(slot, {CloseCause::drain_timeout, std::nullopt, one.bytes.empty()});
  if (one.bytes.empty()) return end(slot, {CloseCause::client_timeout, std::nullopt, true});
  end(slot, {CloseCause::client_timeout,
             Failure{"proxy_header_timeout", "the PROXY protocol header was not complete in time"}});
}

void HeaderReader::expire(std::uint32_t slot) {
  One& one = connections_.at(slot);
  const auto was = std::exchange(one.state, State::late);
  if (was == State::starved) return end_late(slot);
  if (was == State::late) return;
  const auto outstanding = was == State::polling ? Operation::readable : Operation::receive;
  ring_.cancel(token(outstanding, slot, one.generation));
}

// --- time

void HeaderReader::arm() {
  if (due_.empty() || stopping_ || std::exchange(timer_armed_, true)) return;
  ring_.timer(token(Operation::timer, 0, 0), due_.front().at);
}

void HeaderReader::on_timer() {
  timer_armed_ = false;
  while (!due_.empty() && due_.front().at <= ring_.now()) {
    const Due next = due_.front();
    due_.pop_front();
    if (connections_.at(next.slot).generation == next.generation) expire(next.slot);
  }
  arm();
}

void HeaderReader::hurry(Duration patience) {
  patience_max_ = patience;
  const Instant at = ring_.now() + patience;
  for (Due& due : due_) due.at = std::min(due.at, at);
  if (timer_armed_) ring_.cancel(token(Operation::timer, 0, 0));
}

void HeaderReader::stop() {
  stopping_ = true;
  if (timer_armed_) ring_.cancel(token(Operation::timer, 0, 0));
  std::uint32_t slot = 0;
  for (const One& one : connections_) {
    if (one.state != State::free) expire(slot);
    ++slot;
  }
}

}  // namespace kferry::proxy
