#include "operations/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>
#include <vector>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(fd_); }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  return ends;
}

// A pipe whose read end never blocks, and a log that writes to it, with clocks that only move when told to.
struct Bench {
  explicit Bench(LogOptions options = {}) : Bench(make_pipe(), std::move(options)) {}
  Bench(std::array<int, 2> ends, LogOptions options) : reading(ends[0]), writing(ends[1]) {
    REQUIRE(fcntl(reading.get(), F_SETFL, O_NONBLOCK) == 0);
    options.fd = writing.get();
    options.clock = [this] { return now; };
    options.wall_clock = [this] {
      return std::chrono::system_clock::time_point(1795538280123ms) + (now - Instant{});
    };
    log = std::make_unique<Log>(std::move(options));
  }

  std::string read() const {
    std::string all;
    std::array<char, 65536> part{};
    ssize_t size = 0;
    while ((size = ::read(reading.get(), part.data(), part.size())) > 0) {
      all.append(part.data(), static_cast<std::size_t>(size));
    }
    return all;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    const std::string all = read();
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = all.find('\n', at);
      REQUIRE(end != std::string::npos);  // whole lines only
      out.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }
  void write(std::string_view cause, std::string_view subject, std::string text = "text") const {
    log->write({Severity::warning, cause, subject, std::move(text)});
  }

  Instant now{};
  Descriptor reading;
  Descriptor writing;
  std::unique_ptr<Log> log;
};

TEST_CASE("one event is one line with time, level, cause and subject") {
  const Bench bench;
  bench.write("tls_hello_on_plaintext", "10.0.0.1", "a TLS hello came in: use the TLS port");
  CHECK(bench.read() ==
        "2026-11-24T16:38:00.123Z level=warning cause=tls_hello_on_plaintext subject=10.0.0.1 "
        "\"a TLS hello came in: use the TLS port\"\n");
  bench.log->write({Severity::error, "start_failed", "", "no"});
  CHECK(bench.read() == "2026-11-24T16:38:00.123Z level=error cause=start_failed \"no\"\n");
}

TEST_CASE("hostile text cannot forge a line, a field or a terminal command") {
  const Bench bench;
  bench.write("x", "a b=\"c\"\nlevel=error", "one\r\ntwo\"\\\x1b[2J\x7f\t" + std::string(1, '\0') + "end");
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].substr(lines[0].find("cause=")) ==
        R"(cause=x subject="a b=\"c\"\nlevel=error" "one\r\ntwo\"\\\x1b[2J\x7f\t\x00end")");
}

TEST_CASE("UTF-8 is kept; invalid bytes, and characters that reverse or break lines, are escaped") {
  CHECK(quoted("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
  CHECK(quoted("\xf0\x9f\x98\x80") == "\"\xf0\x9f\x98\x80\"");
  CHECK(quoted("\xff") == "\"\\xff\"");
  CHECK(quoted("\xc0\x8a") == "\"\\xc0\\x8a\"");           // an overlong line feed
  CHECK(quoted("\xc2\x85") == "\"\\xc2\\x85\"");           // next line
  CHECK(quoted("\xe2\x80\xa8") == "\"\\xe2\\x80\\xa8\"");  // line separator
  CHECK(quoted("\xe2\x80\xae") == "\"\\xe2\\x80\\xae\"");  // right to left
  CHECK(quoted("\xed\xa0\x80") == "\"\\xed\\xa0\\x80\"");  // a surrogate
  CHECK(quoted("\xe2\x82") == "\"\\xe2\\x82\"");           // truncated
}

TEST_CASE("every byte gives a single printable line") {
  const Bench bench;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(3, static_cast<char>(byte));
    bench.write("byte", text, text);
    const std::string line = bench.read();
    CHECK(line.find('\n') == line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) CHECK((c >= 0x20 && c < 0x7F));
  }
}

TEST_CASE("a long line is cut within its quotes, to a pipe's atomic size") {
  const Bench bench;
  for (const std::string_view piece : {"a", "\\", "\x01", "\xc3\xbc", "\n"}) {
    std::string text;
    while (text.size() < 20'000) text += piece;
    bench.write("long", piece, text);
    const std::string line = bench.read();
    CHECK(line.size() <= 4096);
    CHECK(line.ends_with("…(cut)\"\n"));
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(line.size() > 4000);
  }
}

TEST_CASE("repeats of a cause and subject are counted, and others are not affected") {
  const Bench bench;
  for (int i = 0; i < 100; ++i) bench.write("refused", "10.0.0.1");
  bench.write("refused", "10.0.0.2");
  bench.write("reset", "10.0.0.1");
  CHECK(bench.lines().size() == 5);
}

TEST_CASE("the count follows at the end of the window, without another event") {
  Bench bench;
  for (int i = 0; i < 100; ++i) bench.write("refused", "10.0.0.1");
  CHECK(bench.lines().size() == 3);
  bench.now += 59s;
  bench.log->tick();
  CHECK(bench.lines().empty());
  bench.now += 1s;
  bench.log->tick();
  CHECK(bench.read() ==
        "2026-11-24T16:39:00.123Z level=warning cause=refused subject=10.0.0.1 \"… 97 more like this in 60 "
        "s\"\n");
  // Then the next three are written again.
  for (int i = 0; i < 5; ++i) bench.write("refused", "10.0.0.1");
  CHECK(bench.lines().size() == 3);
}

TEST_CASE("the destructor writes the remaining counts") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.write("refused", "10.0.0.1");
  CHECK(bench.lines().size() == 3);
  bench.now += 10s;
  bench.log.reset();
  CHECK(bench.read().find("… 2 more like this in 10 s") != std::string::npos);
}

TEST_CASE("memory is limited: the count of the least recently seen pair is written and the pair forgotten") {
  const Bench bench(LogOptions{.pairs_max = 2});
  for (int i = 0; i < 5; ++i) bench.write("refused", "a");
  bench.write("refused", "b");
  for (int i = 0; i < 2; ++i) bench.write("refused", "a");  // a is the most recent pair again
  CHECK(bench.lines().size() == 4);
  bench.write("refused", "c");  // b is forgotten, without a count
  CHECK(bench.lines().size() == 1);
  bench.write("refused", "d");  // a is forgotten, with its count
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("subject=a \"… 4 more like this") != std::string::npos);
  for (int i = 0; i < 20'000; ++i) bench.write("refused", std::to_string(i)), bench.read();
}

TEST_CASE("the threshold drops less severe events") {
  const Bench bench(LogOptions{.threshold = Severity::warning});
  bench.log->write({Severity::info, "a", "", "text"});
  bench.log->write({Severity::debug, "b", "", "text"});
  CHECK(bench.lines().empty());
  bench.log->write({Severity::warning, "c", "", "text"});
  bench.log->write({Severity::error, "d", "", "text"});
  CHECK(bench.lines().size() == 2);
}

TEST_CASE("journal prefixes are written if wanted") {
  const Bench bench(LogOptions{.journal_prefixes = true});
  bench.write("a", "b");
  CHECK(bench.read().starts_with("<4>2026-"));
}

TEST_CASE("a blocked pipe loses lines, does not stop the process, and the loss is reported afterwards") {
  const Bench bench(LogOptions{.blocked_wait = 1ms});
  constexpr std::size_t total = 2000;
  for (std::size_t i = 0; i < total; ++i) bench.write("c", std::to_string(i), std::string(200, 'x'));
  const std::uint64_t dropped = bench.log->dropped();
  CHECK(dropped > 0);
  CHECK(bench.lines().size() == total - dropped);
  bench.write("c", "after");
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("cause=log_lines_lost \"" + std::to_string(dropped) + " lines were lost") !=
        std::string::npos);
  CHECK(lines[1].find("subject=after") != std::string::npos);
}

TEST_CASE("a stream socket that took part of a line gets the rest first") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Bench bench(ends, LogOptions{.blocked_wait = 1ms});
  std::size_t received = 0;
  constexpr std::size_t total = 3000;
  for (std::size_t i = 0; i < total; ++i) bench.write("c", std::to_string(i), std::string(700, 'x'));
  CHECK(bench.log->dropped() > 0);
  std::string all = bench.read();
  bench.log->tick();
  all += bench.read();
  for (std::size_t at = 0; at < all.size(); ++received) {
    const std::size_t end = all.find('\n', at);
    REQUIRE(end != std::string::npos);
    REQUIRE(all.compare(at, 5, "2026-") == 0);
    at = end + 1;
  }
  // Every line that was not dropped, and the line about those that were.
  CHECK(received == total - bench.log->dropped() + 1);
}

TEST_CASE("a reader that is gone does not end the process") {
  const auto ends = make_pipe();
  auto reading = std::make_unique<Descriptor>(ends[0]);
  const Descriptor writing(ends[1]);
  const auto before = std::signal(SIGPIPE, SIG_IGN);  // as the program does
  Log log(LogOptions{.fd = writing.get()});
  reading.reset();
  log.write({Severity::error, "a", "b", "text"});
  CHECK(log.dropped() == 1);
  std::signal(SIGPIPE, before);
}

TEST_CASE("threads write whole lines") {
  const Bench bench;
  std::vector<std::thread> threads;
  std::string all;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&bench, t] {
      for (int i = 0; i < 50; ++i) bench.write("t", std::to_string(t * 1000 + i), std::string(50, 'y'));
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = bench.lines();
  CHECK(lines.size() == 200);
  for (const auto& line : lines) CHECK((line.starts_with("2026-") && line.ends_with("y\"")));
}

}  // namespace
}  // namespace kferry::operations
