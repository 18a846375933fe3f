#include "operations/log_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <vector>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

struct Descriptor {
  explicit Descriptor(int opened) : fd(opened) { REQUIRE(fd >= 0); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  int fd;
};

// Both ends of a pipe or a socket; reading never blocks.
struct Ends {
  explicit Ends(bool socket = false) : Ends(make(socket)) {}
  explicit Ends(std::array<int, 2> made) : reading(made[0]), writing(made[1]) {
    REQUIRE(fcntl(reading.fd, F_SETFL, O_NONBLOCK) == 0);
  }
  static std::array<int, 2> make(bool socket) {
    std::array<int, 2> made{};
    REQUIRE((socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data())
                    : pipe2(made.data(), O_CLOEXEC)) == 0);
    return made;
  }
  // Leaves no room, as a reader does that never reads.
  void fill() const {
    REQUIRE(fcntl(writing.fd, F_SETFL, O_NONBLOCK) == 0);
    const std::string filling(4096, '#');
    while (::write(writing.fd, filling.data(), filling.size()) > 0) {
    }
    REQUIRE(fcntl(writing.fd, F_SETFL, 0) == 0);
  }
  // What is there, without what fill() wrote.
  std::string read() const {
    std::string all;
    std::array<char, 65536> part{};
    ssize_t size = 0;
    while ((size = ::read(reading.fd, part.data(), part.size())) > 0)
      all.append(part.data(), static_cast<std::size_t>(size));
    return all.erase(0, std::min(all.find_first_not_of('#'), all.size()));
  }
  Descriptor reading;
  Descriptor writing;
};

std::unique_ptr<LogWriter> start(int fd, LogWriter::Options options = {}) {
  options.fd = fd;
  options.lost_line = [](std::uint64_t lost) { return "lost " + std::to_string(lost) + "\n"; };
  auto writer = LogWriter::start(std::move(options));
  REQUIRE(writer);
  return std::move(*writer);
}

std::string numbered(std::size_t number, std::size_t size) {
  std::string line = std::to_string(number) + " ";
  line.resize(size - 1, 'x');
  return line + "\n";
}

// The numbers of the lines, in order; a report of n lost lines counts as -n.
std::vector<long> numbers(const std::string& text) {
  std::vector<long> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    REQUIRE(end != std::string::npos);  // whole lines only
    const std::string line = text.substr(at, end - at);
    out.push_back(line.starts_with("lost ") ? -std::stol(line.substr(5)) : std::stol(line));
    at = end + 1;
  }
  return out;
}

std::string read_all(const Ends& ends, LogWriter& writer) {
  std::string all = ends.read();
  while (!writer.flush(1ms)) all += ends.read();
  return all + ends.read();
}

TEST_CASE("a reader that does not read never makes the writer wait, and memory is bounded") {
  const Ends ends;
  ends.fill();
  constexpr std::size_t queued = 100;
  auto writer = start(ends.writing.fd, {.lines_max = queued});
  constexpr std::size_t total = 20'000;
  const Instant begin = monotonic_now();
  for (std::size_t i = 0; i < total; ++i) writer->put(numbered(i, 100));
  CHECK(monotonic_now() - begin < 10s);            // one wait of 1 ms per line would take twice as long
  CHECK(writer->dropped() >= total - queued - 1);  // one more is in the thread's hands
  const auto got = numbers(read_all(ends, *writer));
  CHECK(got.size() == total - writer->dropped());
}

TEST_CASE("the bytes that wait are bounded too") {
  const Ends ends;
  ends.fill();
  auto writer = start(ends.writing.fd, {.bytes_max = 10'000});
  for (std::size_t i = 0; i < 1000; ++i) writer->put(numbered(i, 1000));
  CHECK(writer->dropped() >= 1000 - 10 - 1);
  CHECK(numbers(read_all(ends, *writer)).size() == 1000 - writer->dropped());
}

// What `text` speaks for: the next number after it, where each line has its number or reports how many are lost.
long next_after(const std::string& text, int& reports) {
  long next = 0;
  for (const long number : numbers(text)) {
    if (number >= 0) CHECK(number == next);
    next = number >= 0 ? number + 1 : next - number;
    reports += number < 0 ? 1 : 0;
  }
  return next;
}

TEST_CASE("a slow reader finds every line, or how many are missing in its place") {
  const Ends ends;
  auto writer = start(ends.writing.fd, {.lines_max = 50});
  std::string all;
  std::size_t written = 0;
  for (int round = 0; round < 5; ++round) {
    ends.fill();
    for (int i = 0; i < 100; ++i) writer->put(numbered(written++, 100));
    all += read_all(ends, *writer);
  }
  writer->tick();
  all += read_all(ends, *writer);
  int reports = 0;
  CHECK(next_after(all, reports) == static_cast<long>(written));
  CHECK(reports == 5);
}

TEST_CASE("a stream socket that took part of a line gets the rest first") {
  const Ends ends(true);
  auto writer = start(ends.writing.fd, {.lines_max = 50});
  for (std::size_t i = 0; i < 3000; ++i) writer->put(numbered(i, 700));
  std::string all = read_all(ends, *writer);
  writer->tick();
  all += read_all(ends, *writer);
  int reports = 0;
  CHECK(next_after(all, reports) == 3000);
}

TEST_CASE("what is queued at the end is written") {
  const Ends ends;
  auto writer = start(ends.writing.fd);
  for (std::size_t i = 0; i < 200; ++i) writer->put(numbered(i, 100));
  writer.reset();
  CHECK(numbers(ends.read()).size() == 200);
}

TEST_CASE("the end waits for a blocked reader for a bounded time") {
  const Ends ends;
  ends.fill();
  auto writer = start(ends.writing.fd, {.end_wait = 20ms});
  for (std::size_t i = 0; i < 2000; ++i) writer->put(numbered(i, 100));
  const Instant begin = monotonic_now();
  writer.reset();
  CHECK(monotonic_now() - begin >= 20ms);
  CHECK(monotonic_now() - begin < 5s);
  CHECK(ends.read().empty());
}

TEST_CASE("a full disk loses lines, and the loss is counted") {
  const Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  auto writer = start(full.fd);
  for (std::size_t i = 0; i < 10; ++i) writer->put(numbered(i, 100));
  CHECK(writer->flush(10s));
  for (int i = 0; i < 5; ++i) writer->tick();
  CHECK(writer->flush(10s));
  CHECK(writer->dropped() == 10);  // reports of losses do not count themselves
}

TEST_CASE("a reader that is gone, and a closed descriptor, lose lines and nothing else") {
  const auto before = std::signal(SIGPIPE, SIG_IGN);  // as the program does
  Ends ends;
  auto writer = start(ends.writing.fd);
  ends.reading.close();
  writer->put(numbered(1, 100));
  CHECK(writer->flush(10s));
  CHECK(writer->dropped() == 1);
  writer.reset();
  std::signal(SIGPIPE, before);

  Descriptor gone(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const int number = gone.fd;
  gone.close();
  writer = start(number);
  writer->put(numbered(1, 100));
  CHECK(writer->flush(10s));
  CHECK(writer->dropped() == 1);
}

TEST_CASE("without lines to write, an aborting process does not wait") {
  const Ends ends;
  auto writer = start(ends.writing.fd);
  writer->put(numbered(1, 100));
  writer->flush_without_lock(10s);
  CHECK(numbers(ends.read()).size() == 1);
  ends.fill();
  writer->put(numbered(2, 100));
  const Instant begin = monotonic_now();
  writer->flush_without_lock(20ms);  // blocked
  CHECK(monotonic_now() - begin >= 20ms);
  CHECK(monotonic_now() - begin < 5s);
  ends.read();
}

TEST_CASE("without a descriptor for the writer's own use, the error names the remedy") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 3;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto writer = LogWriter::start({});
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(writer);
  CHECK(writer.error().find("raise the limit of open files") != std::string::npos);
}

}  // namespace
}  // namespace kferry::operations
