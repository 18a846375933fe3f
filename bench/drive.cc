#include "drive.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <iostream>
#include <string>
#include <vector>

#include "churn.h"
#include "client.h"
#include "pace.h"
#include "sockets.h"
#include "stalled.h"

namespace kferry::bench {
namespace {

using Clock = Pace::Clock;

constexpr std::size_t receive_size = 256 * 1024;

class Load {
 public:
  Load(const DriveOptions& options, const Exchange& exchange)
      : pace_(options.requests_per_s), buffer_(receive_size) {
    clients_.reserve(options.connections);
    for (std::size_t i = 0; i < options.connections; ++i) {
      clients_.emplace_back(options, exchange, i);
      poller_.add(clients_.back().fd(), i);
    }
  }

  // Asks for `duration`, then waits for the last answer.
  Answers run(Clock::duration duration, std::vector<std::uint32_t>* times) {
    auto now = Clock::now();
    auto moved = now;
    const auto end = now + duration;
    Answers answers;
    bool asking = true;
    pace_.start(now);
    for (std::uint64_t i = 0; i < clients_.size(); ++i) ask(i);
    for (;;) {
      const auto events = poller_.wait(held_.empty() ? stall_timeout : pace_.wait(now));
      now = Clock::now();
      if (!events.empty()) moved = now;
      if (now - moved >= stall_timeout)
        fail("nothing moved for ten seconds: bytes were lost or the server hangs");
      if (asking && now >= end) {
        asking = false;
        held_.clear();
      }
      for (const auto& event : events) {
        Client& client = clients_[event.data.u64];
        if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) do {
            answers.count += client.take(std::span(buffer_).first(client.channel().receive(buffer_)), times);
          } while (client.channel().pending());
        if (asking)
          ask(event.data.u64);
        else
          client.finish(poller_);
      }
      ask_held(now);
      if (!asking && std::ranges::all_of(clients_, [](const Client& c) { return c.unanswered() == 0; }))
        return answers;
    }
  }

  // Each connection asks once.
  void ask_once() {
    for (auto& client : clients_) {
      client.ask(poller_, pace_);
      while (client.unanswered() > 0) {
        if (poller_.wait(stall_timeout).empty()) fail("no answer within ten seconds");
        do {
          client.take(std::span(buffer_).first(client.channel().receive(buffer_)), nullptr);
        } while (client.channel().pending());
        client.finish(poller_);
      }
    }
  }

  // Fails when a connection has been closed or has something to say.
  void check_silent() {
    if (!poller_.wait(Clock::duration::zero()).empty())
      fail("an idle connection was closed or sent something");
  }

 private:
  void ask(std::uint64_t client) {
    const bool was_held = std::ranges::find(held_, client) != held_.end();
    if (!clients_[client].ask(poller_, pace_) && !was_held) held_.push_back(client);
  }
  // First held, first asked.
  void ask_held(Clock::time_point now) {
    while (!held_.empty() && pace_.open(now)) {
      const std::uint64_t client = held_.front();
      held_.pop_front();
      ask(client);
    }
  }

  Pace pace_;
  Poller poller_;
  std::vector<Client> clients_;
  std::deque<std::uint64_t> held_;  // clients that the pace holds back
  std::vector<std::byte> buffer_;
};

double own_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double percentile_us(std::vector<std::uint32_t>& times, double part) {
  if (times.empty()) fail("no request was answered");
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), at, times.end());
  return *at / 1e3;
}

Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

void say(const char* line) {
  std::puts(line);
  std::fflush(stdout);
}

// Of what has run(): see drive().
template <typename Driven>
void measure(const DriveOptions& options, const Exchange& exchange, Driven& driven) {
  driven.run(to_duration(options.warm_up_s), nullptr);
  say("ready");
  std::string line;
  if (options.wait) std::getline(std::cin, line);

  std::vector<std::uint32_t> times;
  times.reserve(1 << 20);
  const double cpu_before = own_cpu_seconds();
  const auto begin = Clock::now();
  const Answers answers = driven.run(to_duration(options.seconds), &times);
  const std::chrono::duration<double> took = Clock::now() - begin;
  const double cpu_seconds = own_cpu_seconds() - cpu_before;
  const std::size_t frame_size = std::max(exchange.request.size(), exchange.response.size());
  std::printf(
      "{\"requests\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"p50_us\": %.1f, "
      "\"p99_us\": %.1f, \"resumed\": %llu}\n",
      static_cast<unsigned long long>(answers.count),
      static_cast<unsigned long long>(answers.count * frame_size), took.count(), cpu_seconds,
      percentile_us(times, 0.5), percentile_us(times, 0.99),
      static_cast<unsigned long long>(answers.resumed));
  std::fflush(stdout);
}

}  // namespace

void drive(const DriveOptions& options) {
  be_punctual();
  const Exchange exchange = exchange_of(options);
  if (options.workload == Workload::churn) {
    Churn churn(options, exchange);
    measure(options, exchange, churn);
    return;
  }
  Load load(options, exchange);
  if (options.workload == Workload::idle) {
    load.ask_once();
    std::printf("{\"idle\": %zu}\n", options.connections);
    std::fflush(stdout);
    std::string line;
    while (std::getline(std::cin, line)) {
    }
    load.check_silent();
    return;
  }
  const StalledReaders stalled(options, options.stalled);
  measure(options, exchange, load);
}

}  // namespace kferry::bench
