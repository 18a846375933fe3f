#include "relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sockets.h"

namespace kferry::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t receive_size = 256 * 1024;

// What comes from one end and leaves at the other, later.
class Direction {
 public:
  void put(std::span<const std::byte> bytes, Clock::time_point due) {
    under_way_.push_back({due, {bytes.begin(), bytes.end()}});
  }
  void put_end(Clock::time_point due) { under_way_.push_back({due, {}}); }

  // Sends what is due. True when the socket takes no more of it.
  bool deliver(int to, Clock::time_point now) {
    while (!under_way_.empty() && under_way_.front().due <= now) {
      auto& [due, bytes] = under_way_.front();
      if (bytes.empty()) {
        ::shutdown(to, SHUT_WR);
      } else {
        iovec piece{bytes.data() + sent_, bytes.size() - sent_};
        bool gone = false;
        sent_ += send_pieces(to, {&piece, 1}, &gone);
        if (gone) sent_ = bytes.size();  // its receiving end says so
        if (sent_ < bytes.size()) return true;
      }
      under_way_.pop_front();
      sent_ = 0;
    }
    return false;
  }
  // Nothing, or a time that has passed when the socket is full.
  std::optional<Clock::time_point> next() const {
    if (under_way_.empty()) return std::nullopt;
    return under_way_.front().due;
  }

 private:
  struct Part {
    Clock::time_point due;
    std::vector<std::byte> bytes;  // empty: the end
  };
  std::deque<Part> under_way_;
  std::size_t sent_ = 0;  // of the first
};

// Two ends and the two ways between them.
struct Way {
  Descriptor ends[2];
  Direction from[2];  // from[i] leaves at ends[1 - i]
  bool ended[2] = {};
  bool watched[2] = {};  // for output
};

class Relay {
 public:
  Relay(const sockaddr_in& listen, const sockaddr_in& to, Clock::duration each_way)
      : listener_(listen_on(listen)), to_(to), each_way_(each_way), buffer_(receive_size) {
    poller_.add(listener_.get(), listener_tag);
  }
  std::uint16_t port() const { return local_port(listener_.get()); }

  void turn() {
    for (const epoll_event& event : poller_.wait(until_next())) {
      if (event.data.u64 == listener_tag) {
        accept();
        continue;
      }
      const auto at = ways_.find(event.data.u64 / 2);
      if (at == ways_.end()) continue;
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(*at->second, event.data.u64 % 2);
    }
    deliver();
  }

 private:
  static constexpr std::uint64_t listener_tag = 0;  // of a way: twice its number, plus the end

  std::optional<Clock::duration> until_next() const {
    std::optional<Clock::time_point> next;
    for (const auto& [number, way] : ways_) {
      for (int end = 0; end < 2; ++end) {
        const auto due = way->watched[1 - end] ? std::nullopt : way->from[end].next();
        if (due && (!next || *due < *next)) next = due;
      }
    }
    if (!next) return std::nullopt;
    return std::max(Clock::duration::zero(), *next - Clock::now());
  }

  void accept() {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    make_ready(fd);
    auto way = std::make_unique<Way>();
    way->ends[0] = Descriptor(fd);
    way->ends[1] = connect_to(to_);
    const std::uint64_t number = ++last_;
    poller_.add(way->ends[0].get(), 2 * number);
    poller_.add(way->ends[1].get(), 2 * number + 1);
    ways_.emplace(number, std::move(way));
  }

  void receive(Way& way, std::uint64_t end) {
    bool ended = false;
    const std::size_t size = bench::receive(way.ends[end].get(), buffer_, &ended);
    const auto due = Clock::now() + each_way_;
    if (size > 0) way.from[end].put(std::span(buffer_).first(size), due);
    if (!ended) return;
    way.ended[end] = true;
    way.from[end].put_end(due);
    poller_.remove(way.ends[end].get());
  }

  void deliver() {
    const auto now = Clock::now();
    for (auto at = ways_.begin(); at != ways_.end();) {
      Way& way = *at->second;
      for (std::uint64_t end = 0; end < 2; ++end) {
        const int to = way.ends[1 - end].get();
        const bool full = way.from[end].deliver(to, now);
        if (way.watched[1 - end] == full || way.ended[1 - end]) continue;
        way.watched[1 - end] = full;
        poller_.watch_output(to, 2 * at->first + 1 - end, full);
      }
      const bool over = way.ended[0] && way.ended[1] && !way.from[0].next() && !way.from[1].next();
      at = over ? ways_.erase(at) : std::next(at);
    }
  }

  Descriptor listener_;
  sockaddr_in to_;
  Clock::duration each_way_;
  std::vector<std::byte> buffer_;
  Poller poller_;
  std::map<std::uint64_t, std::unique_ptr<Way>> ways_;
  std::uint64_t last_ = 0;
};

}  // namespace

void relay(const std::string& listen, const std::string& to, std::chrono::nanoseconds each_way) {
  be_punctual();
  Relay relay(parse_address(listen), parse_address(to), each_way);
  std::printf("listening %u\n", unsigned{relay.port()});
  std::fflush(stdout);
  for (;;) relay.turn();
}

}  // namespace kferry::bench
