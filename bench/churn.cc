#include "churn.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>

namespace kferry::bench {
namespace {

constexpr std::size_t answer_max = 64 * 1024;
// Connections come milliseconds apart: what a disturbed machine delayed is still asked for.
constexpr auto catch_up = std::chrono::milliseconds(20);

}  // namespace

Churn::Churn(const DriveOptions& options, const Exchange& exchange)
    : options_(options),
      exchange_(exchange),
      pace_(options.requests_per_s, catch_up),
      clients_(options.connections),
      buffer_(answer_max) {
  for (std::uint64_t slot = 0; slot < clients_.size(); ++slot) free_.push_back(slot);
}

Answers Churn::run(Clock::duration duration, std::vector<std::uint32_t>* times) {
  auto now = Clock::now();
  auto moved = now;
  const auto end = now + duration;
  const std::uint64_t resumed_before = resumed_;
  std::uint64_t answers = 0;
  pace_.start(now);
  for (;;) {
    while (now < end && !free_.empty() && pace_.open(now)) {
      pace_.take(now);
      open_next();
      now = moved = Clock::now();
    }
    if (now >= end && free_.size() == clients_.size()) return {answers, resumed_ - resumed_before};
    const bool held = now < end && !free_.empty();
    const auto events = poller_.wait(held ? std::min(pace_.wait(now), end - now) : stall_timeout);
    now = Clock::now();
    if (!events.empty()) moved = now;
    if (free_.size() < clients_.size() && now - moved >= stall_timeout)
      fail("no new connection was answered for ten seconds");
    for (const auto& event : events) answers += receive(event.data.u64, times) ? 1 : 0;
  }
}

void Churn::open_next() {
  const std::uint64_t slot = free_.front();
  free_.pop_front();
  Client& client = clients_[slot].emplace(options_, exchange_, slot);
  poller_.add(client.fd(), slot);
  client.ask(poller_, unpaced_);
}

bool Churn::receive(std::uint64_t slot, std::vector<std::uint32_t>* times) {
  Client& client = *clients_[slot];
  do {
    client.take(std::span(buffer_).first(client.channel().receive(buffer_)), times);
  } while (client.channel().pending());
  if (client.answered() == 0) {
    client.ask(poller_, unpaced_);  // what the handshake held back
    return false;
  }
  resumed_ += client.channel().resumed() ? 1 : 0;
  client.channel().say_end();
  clients_[slot].reset();
  free_.push_back(slot);
  return true;
}

}  // namespace kferry::bench
