#include "serve.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/ids.h"
#include "channel.h"
#include "frames.h"
#include "kafka/api_keys.h"
#include "sockets.h"

namespace kferry::bench {
namespace {

constexpr std::int32_t node_id = 1;
constexpr std::size_t receive_size = 256 * 1024;
// Every request but Produce fits whole; of Produce the header does.
constexpr std::size_t head_size = 4096;
constexpr std::size_t request_header_size = 4 + 2 + 2 + 4 + 2;  // as far as the client id

using FrameOf = std::tuple<ApiKey, ApiVersion, std::size_t, std::size_t>;

// The frames of every answer (and of the Produce requests to compare with), built once each.
class Frames {
 public:
  explicit Frames(std::uint16_t port) : port_(port) {}

  const Frame& fetch(std::int16_t version, const FetchAsked& asked) {
    return once({kafka::fetch_key, version, asked.response_size, asked.partitions},
                [&] { return fetch_response(version, asked.response_size, asked.partitions); });
  }
  const Frame& produce_asked(std::int16_t version, std::size_t size) {
    return once({kafka::produce_key, version, size, 0}, [&] { return produce_request(version, size); });
  }
  const Frame& answer(ApiKey key, ApiVersion version) {
    return once({key, version, 0, 0}, [&]() -> Frame {
      if (key == kafka::produce_key && version >= 9 && version <= 12) return produce_response(version);
      if (key == kafka::offset_fetch_key && version == 7) return offset_fetch_response();
      if (key == kafka::api_versions_key && version >= 0 && version <= 4)
        return api_versions_response(version);
      if (key == kafka::metadata_key && version >= 0 && version <= 13)
        return metadata_response(version, node_id, "127.0.0.1", port_);
      fail("the fake broker knows no API " + std::to_string(number(key)) + " version " +
           std::to_string(version));
    });
  }

 private:
  template <typename Build>
  const Frame& once(const FrameOf& of, Build build) {
    auto at = built_.find(of);
    if (at == built_.end()) at = built_.emplace(of, build()).first;
    return at->second;
  }

  std::uint16_t port_;
  std::map<FrameOf, Frame> built_;
};

// One client's connection.
class Served {
 public:
  Served(Channel channel, std::uint64_t tag) : channel_(std::move(channel)), tag_(tag) {
    channel_.let_go_quietly();
  }

  int fd() const { return channel_.fd(); }
  Channel& channel() { return channel_; }

  void walk(std::span<const std::byte> chunk, Frames& frames) {
    while (!chunk.empty()) {
      if (comparing_ != nullptr) {
        const auto part = chunk.first(std::min(chunk.size(), comparing_->size() - position_));
        if (std::memcmp(part.data(), comparing_->data() + position_, part.size()) != 0)
          fail("a produce request arrived changed, after byte " + std::to_string(position_));
        position_ += part.size();
        chunk = chunk.subspan(part.size());
        if (position_ == comparing_->size()) end_of_request(frames);
        continue;
      }
      const std::size_t wanted = head_.size() < request_header_size ? request_header_size : request_size_;
      const auto part = chunk.first(std::min(chunk.size(), wanted - head_.size()));
      head_.insert(head_.end(), part.begin(), part.end());
      chunk = chunk.subspan(part.size());
      if (head_.size() < wanted) continue;
      if (request_size_ == 0)
        begin_request(frames);
      else
        end_of_request(frames);
    }
  }

  // Sends what it can; true when something is left.
  bool flush() {
    while (!answers_.empty()) {
      iovec pieces[64];
      std::size_t count = 0;
      std::size_t skip = sent_;
      for (auto answer = answers_.begin(); answer != answers_.end() && count + 2 <= std::size(pieces);
           ++answer) {
        add_piece(pieces, count, skip, answer->head.data(), answer->head.size());
        const std::size_t in_head = answer->head.size();
        add_piece(pieces, count, skip, answer->frame->data() + in_head, answer->frame->size() - in_head);
      }
      std::size_t size = channel_.send(std::span(pieces, count));
      if (size == 0) return true;
      while (size > 0) {
        const std::size_t left = answers_.front().frame->size() - sent_;
        const std::size_t part = std::min(size, left);
        size -= part;
        sent_ += part;
        if (part < left) break;
        answers_.pop_front();
        sent_ = 0;
      }
    }
    return !channel_.flush();
  }

  void watch_output(Poller& poller, bool wanted) {
    if (std::exchange(output_watched_, wanted) != wanted) poller.watch_output(fd(), tag_, wanted);
  }

 private:
  struct Answer {
    Frame head;  // length and correlation id
    const Frame* frame;
  };

  static void add_piece(iovec* pieces, std::size_t& count, std::size_t& skip, const std::byte* bytes,
                        std::size_t size) {
    const std::size_t skipped = std::min(skip, size);
    skip -= skipped;
    if (skipped < size) pieces[count++] = {const_cast<std::byte*>(bytes) + skipped, size - skipped};
  }

  void begin_request(Frames& frames) {
    const std::int32_t length = read_i32(head_, 0);
    if (length < 10 || length > 100 << 20) fail("a request of length " + std::to_string(length));
    request_size_ = static_cast<std::size_t>(length) + 4;
    key_ = ApiKey{read_i16(head_, 4)};
    version_ = read_i16(head_, 6);
    correlation_id_ = read_i32(head_, request_correlation_offset);
    if (key_ == kafka::produce_key) {
      comparing_ = &frames.produce_asked(version_, request_size_);
      if (comparing_->size() != request_size_) fail("a produce request of another size than asked for");
      position_ = head_.size();
    } else if (request_size_ > head_size) {
      fail("a request of API " + std::to_string(number(key_)) + " with " + std::to_string(request_size_) +
           " bytes");
    } else if (request_size_ == head_.size()) {
      end_of_request(frames);
    }
  }

  void end_of_request(Frames& frames) {
    const Frame* frame = nullptr;
    if (key_ == kafka::fetch_key) {
      if (version_ < 15 || version_ > 17) fail("Fetch version " + std::to_string(version_));
      const auto client_id_size = static_cast<std::size_t>(std::max<std::int16_t>(0, read_i16(head_, 12)));
      const std::size_t body = request_header_size + client_id_size + 1;
      if (head_.size() < body + fetch_asked_size) fail("a fetch request cut short");
      frame = &frames.fetch(version_, fetch_asked(std::span(head_).subspan(body)));
    } else {
      frame = &frames.answer(key_, version_);
    }
    Answer answer{Frame(frame->begin(), frame->begin() + 8), frame};
    set_correlation_id(answer.head, response_correlation_offset, correlation_id_);
    answers_.push_back(std::move(answer));
    head_.clear();
    request_size_ = 0;
    comparing_ = nullptr;
  }

  Channel channel_;
  const std::uint64_t tag_;
  Frame head_;                        // of the current request, as far as it has come
  std::size_t request_size_ = 0;      // 0 until its header is here
  const Frame* comparing_ = nullptr;  // a produce request: what it must be …
  std::size_t position_ = 0;          // … and how far it has come
  ApiKey key_{};
  std::int16_t version_ = 0;
  std::int32_t correlation_id_ = 0;
  std::deque<Answer> answers_;
  std::size_t sent_ = 0;  // of the first answer
  bool output_watched_ = false;
};

}  // namespace

void serve(const std::string& listen, const std::shared_ptr<const tls::ServerContext>& tls) {
  const Descriptor listener = listen_on(parse_address(listen));
  Frames frames(local_port(listener.get()));
  Poller poller;
  constexpr std::uint64_t listener_tag = 0;
  poller.add(listener.get(), listener_tag);
  std::printf("listening %u\n", unsigned{local_port(listener.get())});
  std::fflush(stdout);

  std::vector<std::byte> buffer(receive_size);
  std::map<std::uint64_t, Served> connections;
  std::uint64_t last_tag = listener_tag;
  for (;;) {
    for (const epoll_event& event : poller.wait(std::nullopt)) {
      if (event.data.u64 == listener_tag) {
        const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        make_ready(fd);
        poller.add(fd, ++last_tag);
        std::unique_ptr<tls::Engine> engine;
        if (tls != nullptr) engine = tls::Engine::server([tls](std::string_view) { return tls; });
        connections.try_emplace(last_tag, Channel(Descriptor(fd), std::move(engine)), last_tag);
        continue;
      }
      const auto at = connections.find(event.data.u64);
      bool ended = false;
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        do {
          const std::size_t received = at->second.channel().receive(buffer, &ended);
          at->second.walk(std::span(buffer).first(received), frames);
        } while (!ended && at->second.channel().pending());
      }
      if (ended)
        connections.erase(at);
      else
        at->second.watch_output(poller, at->second.flush());
    }
  }
}

}  // namespace kferry::bench
