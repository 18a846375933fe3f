#include "drive.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <optional>
#include <vector>

#include "channel.h"
#include "frames.h"
#include "sockets.h"

namespace kferry::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t receive_size = 256 * 1024;
constexpr int stall_timeout_ms = 10'000;

// What is asked and what must come back; the same on every connection but for the correlation id.
struct Exchange {
  Frame request;
  Frame response;
};

Exchange exchange_of(const DriveOptions& options) {
  switch (options.workload) {
    case Workload::small:
      return {offset_fetch_request(), offset_fetch_response()};
    case Workload::fetch:
      return {fetch_request(options.version, options.size, options.partitions),
              fetch_response(options.version, options.size, options.partitions)};
    case Workload::produce:
      return {produce_request(options.version, options.size), produce_response(options.version)};
    case Workload::idle:
    case Workload::churn:
      return {api_versions_request(4), api_versions_response(4)};
  }
  fail("no such workload");
}

std::unique_ptr<tls::Engine> engine_for(const DriveOptions& options) {
  if (options.tls == nullptr) return nullptr;
  return tls::Engine::client(options.tls, "localhost", 9092);
}

// One connection: asks, compares the answers, takes the times.
class Client {
 public:
  Client(const DriveOptions& options, const Exchange& exchange, std::uint64_t tag)
      : exchange_(&exchange),
        depth_(options.depth),
        tag_(tag),
        channel_(connect_to(parse_address(options.server)), engine_for(options)),
        request_head_(exchange.request.begin(), exchange.request.begin() + request_head_size),
        response_head_(exchange.response.begin(), exchange.response.begin() + response_head_size),
        asked_at_(depth_) {}

  int fd() const { return channel_.fd(); }
  Channel& channel() { return channel_; }
  std::uint64_t tag() const { return tag_; }
  std::uint64_t unanswered() const { return asked_ - answered_; }
  std::uint64_t answered() const { return answered_; }

  // Asks until `depth` requests are unanswered or the socket is full.
  void ask(Poller& poller) {
    bool blocked = false;
    while (!blocked && (sending_ || unanswered() < depth_)) {
      if (!std::exchange(sending_, true)) {
        asked_at_[asked_ % depth_] = Clock::now();
        set_correlation_id(request_head_, request_correlation_offset, static_cast<std::int32_t>(asked_));
        ++asked_;
      }
      const std::size_t in_head = std::min(sent_, request_head_size);
      const std::size_t in_rest = std::max(sent_, request_head_size);
      iovec pieces[] = {
          {request_head_.data() + in_head, request_head_size - in_head},
          {const_cast<std::byte*>(exchange_->request.data()) + in_rest, exchange_->request.size() - in_rest}};
      sent_ += channel_.send(pieces);
      blocked = sent_ < exchange_->request.size();
      if (blocked) continue;
      sent_ = 0;
      sending_ = false;
    }
    // A handshake goes on with what comes, not with room.
    const bool room_wanted = !channel_.flush() || (blocked && !channel_.handshaking());
    if (std::exchange(output_watched_, room_wanted) != room_wanted)
      poller.watch_output(fd(), tag_, room_wanted);
  }
  // Finishes a request half sent, and begins none.
  void finish(Poller& poller) {
    const std::size_t depth = std::exchange(depth_, 0);
    if (sending_) ask(poller);
    depth_ = depth;
  }

  // Returns how many answers were completed; their times in nanoseconds are appended to `times` if given.
  std::size_t take(std::span<const std::byte> chunk, std::vector<std::uint32_t>* times) {
    std::size_t completed = 0;
    while (!chunk.empty()) {
      if (unanswered() == 0) fail("an octet came that nobody asked for");
      if (position_ == 0)
        set_correlation_id(response_head_, response_correlation_offset, static_cast<std::int32_t>(answered_));
      const Frame& expected = position_ < response_head_size ? response_head_ : exchange_->response;
      const auto part = chunk.first(std::min(chunk.size(), expected.size() - position_));
      if (std::memcmp(part.data(), expected.data() + position_, part.size()) != 0)
        fail("a response arrived changed, after octet " + std::to_string(position_));
      position_ += part.size();
      chunk = chunk.subspan(part.size());
      if (position_ < exchange_->response.size()) continue;
      position_ = 0;
      const auto took = Clock::now() - asked_at_[answered_ % asked_at_.size()];
      if (times != nullptr)
        times->push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took.count(), UINT32_MAX)));
      ++answered_;
      ++completed;
    }
    return completed;
  }

 private:
  static constexpr std::size_t request_head_size = 12;  // as far as the correlation id
  static constexpr std::size_t response_head_size = 8;

  const Exchange* exchange_;
  std::size_t depth_;
  std::uint64_t tag_;
  Channel channel_;
  Frame request_head_;
  Frame response_head_;
  std::vector<Clock::time_point> asked_at_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  bool sending_ = false;
  std::size_t sent_ = 0;      // of the request being sent
  std::size_t position_ = 0;  // in the response being received
  bool output_watched_ = false;
};

class Load {
 public:
  explicit Load(const DriveOptions& options)
      : options_(options), exchange_(exchange_of(options)), buffer_(receive_size) {
    clients_.reserve(options.connections);
    for (std::size_t i = 0; i < options.connections; ++i) {
      clients_.emplace_back(options, exchange_, i);
      poller_.add(clients_.back().fd(), i);
    }
  }

  const Exchange& exchange() const { return exchange_; }

  // Asks for `duration`, then waits for the last answer. Returns the answers.
  std::uint64_t run(Clock::duration duration, std::vector<std::uint32_t>* times) {
    const auto end = Clock::now() + duration;
    std::uint64_t answers = 0;
    bool asking = true;
    for (auto& client : clients_) client.ask(poller_);
    for (;;) {
      const auto events = poller_.wait(stall_timeout_ms);
      if (events.empty()) fail("nothing moved for ten seconds: octets were lost or the server hangs");
      if (asking && Clock::now() >= end) asking = false;
      for (const auto& event : events) {
        Client& client = clients_[event.data.u64];
        if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) do {
            answers += client.take(std::span(buffer_).first(client.channel().receive(buffer_)), times);
          } while (client.channel().pending());
        if (asking)
          client.ask(poller_);
        else
          client.finish(poller_);
      }
      if (!asking && std::ranges::all_of(clients_, [](const Client& c) { return c.unanswered() == 0; }))
        return answers;
    }
  }

  // Opens connections for `duration`, so many at a time, each for one request; returns how many were answered.
  std::uint64_t churn(Clock::duration duration, std::vector<std::uint32_t>* times) {
    const auto end = Clock::now() + duration;
    std::uint64_t answers = 0;
    for (auto& client : clients_) client.ask(poller_);
    while (Clock::now() < end) {
      const auto events = poller_.wait(stall_timeout_ms);
      if (events.empty()) fail("no new connection was answered for ten seconds");
      for (const auto& event : events) {
        Client& client = clients_[event.data.u64];
        do {
          client.take(std::span(buffer_).first(client.channel().receive(buffer_)), times);
        } while (client.channel().pending());
        if (client.answered() == 0) {
          client.ask(poller_);
          continue;
        }
        ++answers;
        resumed_ += client.channel().resumed() ? 1 : 0;
        client.channel().say_end();
        client = Client(options_, exchange_, event.data.u64);
        poller_.add(client.fd(), event.data.u64);
        client.ask(poller_);
      }
    }
    return answers;
  }
  std::uint64_t resumed() const { return resumed_; }

  // Each connection asks once.
  void ask_once() {
    for (auto& client : clients_) {
      client.ask(poller_);
      while (client.unanswered() > 0) {
        if (poller_.wait(stall_timeout_ms).empty()) fail("no answer within ten seconds");
        do {
          client.take(std::span(buffer_).first(client.channel().receive(buffer_)), nullptr);
        } while (client.channel().pending());
        client.finish(poller_);
      }
    }
  }

  // Fails when a connection has been closed or has something to say.
  void check_silent() {
    if (!poller_.wait(0).empty()) fail("an idle connection was closed or sent something");
  }

 private:
  const DriveOptions& options_;
  Exchange exchange_;
  std::uint64_t resumed_ = 0;
  Poller poller_;
  std::vector<Client> clients_;
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

}  // namespace

void drive(const DriveOptions& options) {
  Load load(options);
  std::string line;
  if (options.workload == Workload::idle) {
    load.ask_once();
    std::printf("{\"idle\": %zu}\n", options.connections);
    std::fflush(stdout);
    while (std::getline(std::cin, line)) {
    }
    load.check_silent();
    return;
  }
  const auto run = [&](double seconds, std::vector<std::uint32_t>* into) {
    return options.workload == Workload::churn ? load.churn(to_duration(seconds), into)
                                               : load.run(to_duration(seconds), into);
  };
  run(options.warm_up_s, nullptr);
  say("ready");
  if (options.wait) std::getline(std::cin, line);

  std::vector<std::uint32_t> times;
  times.reserve(1 << 20);
  const double cpu_before = own_cpu_seconds();
  const auto begin = Clock::now();
  const std::uint64_t resumed_before = load.resumed();
  const std::uint64_t answers = run(options.seconds, &times);
  const std::chrono::duration<double> took = Clock::now() - begin;
  const double cpu_seconds = own_cpu_seconds() - cpu_before;
  const std::size_t frame_size = std::max(load.exchange().request.size(), load.exchange().response.size());
  std::printf(
      "{\"requests\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"p50_us\": %.1f, "
      "\"p99_us\": %.1f, \"resumed\": %llu}\n",
      static_cast<unsigned long long>(answers), static_cast<unsigned long long>(answers * frame_size),
      took.count(), cpu_seconds, percentile_us(times, 0.5), percentile_us(times, 0.99),
      static_cast<unsigned long long>(load.resumed() - resumed_before));
  std::fflush(stdout);
}

}  // namespace kferry::bench
