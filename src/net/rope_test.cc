#include "net/rope.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "doctest/doctest.h"
#include "net/simulated_stream_test.h"

namespace kferry::net {
namespace {

constexpr std::size_t buffer_size = 64;

using kferry::text_of;

std::string text_of(std::span<const iovec> pieces) {
  std::string text;
  for (const iovec& piece : pieces) text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  return text;
}

// The ready bytes, as they would be sent. Takes the gather back.
std::string ready_text(Rope& rope) {
  std::array<iovec, 1024> pieces;
  const std::string text = text_of(std::span<const iovec>(pieces.data(), rope.gather(pieces)));
  rope.sent(0);
  return text;
}

// A rope, fed by a simulated connection.
struct Fed : SimulatedStream {
  explicit Fed(std::size_t buffers = 8)
      : SimulatedStream({.short_read = 0, .no_buffers = 0}, buffers, buffer_size) {}
  void feed(std::string_view text) {
    client.write(text);
    const std::size_t before = rope.input_size();
    rope.received(receive(text.size()));
    REQUIRE(rope.input_size() == before + text.size());
  }
  BufferPool pool{ring};
  Rope rope{pool};
};

// Performs the same operations on a rope and on plain strings, in random order.
class Run {
 public:
  explicit Run(std::uint64_t seed)
      : chance_(seed), stream_({.seed = seed}, 12, buffer_size), pool_(stream_.ring), rope_(pool_) {}

  void steps(int count) {
    for (int i = 0; i < count; ++i) {
      one();
      check();
    }
  }

  // Sends everything and compares.
  void drain() {
    while (!rope_.empty() || gathered_) {
      if (gathered_) finish_gather();
      if (!held_.empty()) release();
      rope_.pass(input_.size());
      take(input_, ready_, input_.size());
      if (!ready_.empty()) begin_gather();
    }
    check();
    CHECK(rope_.heap_bytes() == 0);
    CHECK(stream_.buffers_out() == 0);
  }

  // Drops everything, like a session that ends.
  void clear() {
    if (gathered_) finish_gather();
    rope_.clear();
    CHECK(rope_.empty());
    CHECK(rope_.heap_bytes() == 0);
    CHECK(stream_.buffers_out() == 0);
  }

  std::size_t sent() const { return sent_; }

 private:
  std::size_t up_to(std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(chance_); }
  std::string made(std::size_t size) {
    std::string text(size, '\0');
    for (char& byte : text) {
      ++next_;
      byte = static_cast<char>(next_ * 31 + (next_ >> 8));
    }
    return text;
  }
  static void take(std::string& from, std::string& to, std::size_t size) {
    to += from.substr(0, size);
    from.erase(0, size);
  }

  void one() {
    switch (up_to(11)) {
      case 0:
      case 1:
      case 2:
        return receive();
      case 3: {
        const std::string text = made(up_to(40));
        rope_.received_copy(bytes_of(text));
        input_ += text;
        return;
      }
      case 4:
      case 5:
        return walk();
      case 6:
        return rope_.move_to_heap();
      case 7: {
        const std::size_t most = up_to(6);
        rope_.spare_buffers(most);
        if (rope_.ready_size() == 0) CHECK(rope_.leased() <= most);
        return;
      }
      case 8:
        if (!gathered_) begin_gather();
        return;
      case 9:
      case 10:
        if (gathered_) finish_gather();
        return;
      default:
        return judge();
    }
  }

  void receive() {
    if (wire_.empty()) {
      const std::string text = made(1 + up_to(300));
      wire_ += text.substr(0, stream_.client.write(text));
    }
    const auto pieces = stream_.receive(1 + up_to(200));  // empty if all buffers are in use
    std::size_t size = 0;
    for (const ring::Piece& piece : pieces) size += piece.bytes.size();
    rope_.received(pieces);
    take(wire_, input_, size);
  }

  // Like a walker: reads the first run while it decides.
  void walk() {
    const std::span<const std::byte> pinned = rope_.pin_input();
    CHECK(pinned.empty() == input_.empty());
    REQUIRE(pinned.size() <= input_.size());
    const std::string seen = input_.substr(0, pinned.size());
    REQUIRE(text_of(pinned) == seen);
    overwritten_ = false;
    for (std::size_t n = up_to(6); n > 0; --n) judge();
    if (gathered_ && up_to(1) == 0) finish_gather();
    if (!overwritten_) CHECK(text_of(pinned) == seen);
    rope_.unpin();
  }

  void judge() {
    switch (up_to(6)) {
      case 0: {
        if (!held_.empty()) return;
        const std::size_t size = up_to(input_.size());
        rope_.pass(size);
        return take(input_, ready_, size);
      }
      case 1: {
        const std::size_t size = up_to(input_.size());
        rope_.hold(size);
        return take(input_, held_, size);
      }
      case 2: {
        const std::size_t size = up_to(std::min<std::size_t>(input_.size(), 30));
        rope_.drop(size);
        input_.erase(0, size);
        return;
      }
      case 3: {
        const std::string text = made(up_to(20));
        rope_.insert(bytes_of(text));
        (held_.empty() ? ready_ : held_) += text;
        return;
      }
      case 4: {
        const std::size_t offset = up_to(held_.size());
        const std::string text = made(up_to(held_.size() - offset));
        rope_.overwrite_held(offset, bytes_of(text));
        held_.replace(offset, text.size(), text);
        overwritten_ = true;
        return;
      }
      case 5: {
        const std::size_t size = up_to(held_.size());
        rope_.cut_held(size);
        held_.resize(held_.size() - size);
        return;
      }
      default:
        return release();
    }
  }

  void release() {
    rope_.release_held();
    take(held_, ready_, held_.size());
  }

  void begin_gather() {
    const std::size_t count = rope_.gather(std::span(pieces_).first(1 + up_to(pieces_.size() - 1)));
    CHECK((count == 0) == ready_.empty());
    gathered_ = std::span<const iovec>(pieces_.data(), count);
    named_ = text_of(*gathered_);
    CHECK(ready_.starts_with(named_));
  }

  void finish_gather() {
    REQUIRE(text_of(*gathered_) == named_);  // nothing has moved or changed in between
    const std::size_t size = up_to(3) == 0 ? up_to(named_.size()) : named_.size();
    rope_.sent(size);
    sent_ += size;
    ready_.erase(0, size);
    gathered_.reset();
  }

  void check() {
    REQUIRE(rope_.input_size() == input_.size());
    REQUIRE(rope_.held_size() == held_.size());
    REQUIRE(rope_.ready_size() == ready_.size());
    REQUIRE(stream_.buffers_out() <= rope_.leased());
    if (gathered_) return;
    REQUIRE(ready_text(rope_) == ready_);
  }

  std::mt19937_64 chance_;
  SimulatedStream stream_;
  BufferPool pool_;
  Rope rope_;
  std::string wire_, input_, held_, ready_;
  std::array<iovec, 5> pieces_{};
  std::optional<std::span<const iovec>> gathered_;
  std::string named_;
  std::size_t sent_ = 0;
  bool overwritten_ = false;
  unsigned next_ = 0;
};

TEST_CASE("under any operations in any order, every byte leaves once and every buffer returns") {
  std::size_t sent = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Run run(seed);
    run.steps(400);
    if (seed % 3 == 0) {
      run.clear();
    } else {
      run.drain();
    }
    sent += run.sent();
  }
  CHECK(sent > 100'000);
}

TEST_CASE("a destroyed rope returns everything it held") {
  SimulatedStream stream({.short_read = 0}, 4, buffer_size);
  BufferPool pool(stream.ring);
  {
    Rope rope(pool);
    stream.client.write(std::string(100, 'x'));
    rope.received(stream.receive(100));
    rope.received_copy(bytes_of("copied"));
    rope.hold(70);
    rope.insert(bytes_of("inserted"));
    CHECK(stream.buffers_out() > 0);
  }
  CHECK(stream.buffers_out() == 0);
}

TEST_CASE("a buffer in two queues returns when both have released it") {
  Fed fed(1);
  fed.feed(std::string(10, 'a') + std::string(20, 'b'));
  fed.rope.pass(10);
  fed.rope.hold(20);
  CHECK(fed.rope.leased() == 2);
  std::array<iovec, 4> pieces;
  fed.rope.gather(pieces);
  fed.rope.sent(10);
  CHECK(fed.buffers_out() == 1);
  fed.rope.cut_held(20);
  CHECK(fed.buffers_out() == 0);
}

TEST_CASE("inserted bytes join the held ones, or leave at once if there are none") {
  Fed fed;
  fed.feed("abcdef");
  fed.rope.pass(2);
  fed.rope.insert(bytes_of("1"));
  fed.rope.hold(2);
  fed.rope.insert(bytes_of("2"));
  CHECK(ready_text(fed.rope) == "ab1");
  fed.rope.release_held();
  fed.rope.pass(2);
  CHECK(ready_text(fed.rope) == "ab1cd2ef");
}

TEST_CASE("held bytes are overwritten across buffers and inserted bytes") {
  Fed fed;
  fed.feed(std::string(buffer_size + 10, 'x'));
  fed.rope.hold(buffer_size + 5);
  fed.rope.insert(bytes_of("yyy"));
  fed.rope.hold(5);
  fed.rope.overwrite_held(buffer_size - 2, bytes_of("0123456789ab"));
  fed.rope.release_held();
  CHECK(ready_text(fed.rope) == std::string(buffer_size - 2, 'x') + "0123456789ab" + "xxx");
}

TEST_CASE("bytes that become ready during a gather are not part of it") {
  Fed fed(1);
  fed.feed("abcdef");
  fed.rope.pass(2);
  std::array<iovec, 4> pieces;
  REQUIRE(fed.rope.gather(pieces) == 1);
  fed.rope.pass(2);
  CHECK(text_of(std::span<const iovec>(pieces.data(), 1)) == "ab");
  fed.rope.sent(2);
  CHECK(ready_text(fed.rope) == "cd");
}

TEST_CASE("waiting bytes that arrived one at a time hold no buffers, and cost only their size") {
  constexpr std::size_t bytes = 3000;
  Fed fed(4);
  for (std::size_t i = 0; i < bytes; ++i) {
    const char byte = static_cast<char>('a' + i % 26);
    fed.feed(std::string_view(&byte, 1));
    fed.rope.spare_buffers(16);
    REQUIRE(fed.buffers_out() == 0);
  }
  CHECK(fed.rope.heap_bytes() == bytes);
  std::size_t runs = 0;
  while (fed.rope.input_size() > 0) {
    const std::size_t run = fed.rope.pin_input().size();
    fed.rope.drop(run);
    fed.rope.unpin();
    ++runs;
  }
  CHECK(runs < 16);  // their sizes halve
}

TEST_CASE("well filled buffers stay, up to the limit") {
  Fed fed(8);
  fed.feed(std::string(4 * buffer_size, 'x'));
  const std::size_t leased = fed.rope.leased();
  fed.rope.spare_buffers(leased);
  CHECK(fed.rope.leased() == leased);
  fed.rope.spare_buffers(leased - 1);
  CHECK(fed.rope.leased() == 0);
  CHECK(fed.rope.heap_bytes() == 4 * buffer_size);
}

TEST_CASE("ready bytes stay where they are, however many") {
  Fed fed(8);
  fed.feed(std::string(6 * buffer_size, 'x'));
  fed.rope.pass(6 * buffer_size);
  fed.rope.spare_buffers(2);
  CHECK(fed.rope.leased() == 6);
  CHECK(fed.rope.heap_bytes() == 0);
}

TEST_CASE("bytes in a gather stay in their buffers, and the rest moves to the heap") {
  Fed fed(8);
  fed.feed(std::string(3 * buffer_size, 'x'));
  fed.rope.pass(3 * buffer_size);
  std::array<iovec, 1> first;
  REQUIRE(fed.rope.gather(first) == 1);
  fed.rope.move_to_heap();
  CHECK(fed.rope.leased() == 1);
  CHECK(fed.buffers_out() == 1);
  fed.rope.sent(first[0].iov_len);
  CHECK(fed.buffers_out() == 0);
  CHECK(fed.rope.ready_size() == 3 * buffer_size - first[0].iov_len);
}

}  // namespace
}  // namespace kferry::net
