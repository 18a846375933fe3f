#include "operations/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "operations/journal.h"
#include "operations/json_check_test.h"

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
    auto started = Log::start(std::move(options));
    REQUIRE(started);
    log = std::move(*started);
  }

  // Everything written so far. Reads while the log waits for room.
  std::string read() const {
    std::string all = read_now();
    while (log && !log->flush(1ms)) all += read_now();
    return all + read_now();
  }
  std::string read_now() const {
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

// The sum of what reports of lost lines tell.
std::uint64_t lost_in(const std::string& text) {
  static constexpr std::string_view before = "cause=log_lines_lost \"";
  std::uint64_t lost = 0;
  for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1))
    lost += std::stoull(text.substr(at + before.size()));
  return lost;
}

TEST_CASE("one event is one line") {
  const Bench bench;
  bench.write("refused", "10.0.0.1", "no");
  CHECK(bench.read() == "2026-11-24T16:38:00.123Z level=warning cause=refused subject=10.0.0.1 \"no\"\n");
}

TEST_CASE("the count follows at the end of the window, without another event") {
  Bench bench;
  for (int i = 0; i < 100; ++i) bench.write("refused", "10.0.0.1");
  CHECK(bench.lines().size() == 3);
  bench.now += 60s;
  bench.log->tick();
  CHECK(bench.read() ==
        "2026-11-24T16:39:00.123Z level=warning cause=refused subject=10.0.0.1 \"… 97 more like this in 60 "
        "s\"\n");
}

TEST_CASE("subjects without a line of their own are counted together") {
  Bench bench(LogOptions{.repeats = {.cause_burst = 5}});
  for (int i = 0; i < 100; ++i) bench.write("refused", std::to_string(i));
  CHECK(bench.lines().size() == 5);
  bench.now += 60s;
  bench.log->tick();
  CHECK(bench.read() ==
        "2026-11-24T16:39:00.123Z level=warning cause=refused \"… 95 more like this in 60 s, about other "
        "subjects\"\n");
}

TEST_CASE("the destructor writes what is queued and the remaining counts") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.write("refused", "10.0.0.1");
  bench.now += 10s;
  bench.log.reset();
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[3].find("… 2 more like this in 10 s") != std::string::npos);
}

TEST_CASE("repeats are counted together, whatever client connection they are about") {
  Bench bench;
  for (std::uint64_t i = 1; i <= 100; ++i)
    bench.log->write({Severity::warning, "refused", "10.0.0.1", "no", SessionId{i}});
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].ends_with("subject=10.0.0.1 session=0000000000000003 \"no\""));
  bench.now += 60s;
  bench.log->tick();
  CHECK(bench.read().ends_with("subject=10.0.0.1 \"… 97 more like this in 60 s\"\n"));
}

TEST_CASE("the level is that of the last call") {
  const Bench bench;
  bench.log->write({Severity::debug, "a", "", "text"});
  bench.log->set_level(LogLevel::debug);
  bench.log->write({Severity::debug, "b", "", "text"});
  bench.log->set_level(LogLevel::off);
  bench.log->write({Severity::error, "c", "", "text"});
  bench.log->set_level(LogLevel::error);
  bench.log->write({Severity::warning, "d", "", "text"});
  bench.log->write({Severity::error, "e", "", "text"});
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("level=debug cause=b") != std::string::npos);
  CHECK(lines[1].find("level=error cause=e") != std::string::npos);
}

TEST_CASE("as JSON, counts and lost lines are objects, too") {
  Bench bench(LogOptions{.form = {.format = LogFormat::json}});
  for (int i = 0; i < 5; ++i) bench.write("refused", "10.0.0.1");
  bench.now += 60s;
  bench.log->tick();
  const auto lines = bench.lines();
  REQUIRE(lines.size() == 4);
  for (const std::string& line : lines) CHECK(is_json(line));
  CHECK(lines[3].ends_with(R"("subject":"10.0.0.1","text":"… 2 more like this in 60 s"})"));
}

TEST_CASE("the level drops less severe events") {
  const Bench bench(LogOptions{.level = LogLevel::warning});
  bench.log->write({Severity::info, "a", "", "text"});
  bench.log->write({Severity::debug, "b", "", "text"});
  CHECK(bench.lines().empty());
  bench.log->write({Severity::warning, "c", "", "text"});
  bench.log->write({Severity::error, "d", "", "text"});
  CHECK(bench.lines().size() == 2);
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a log in a file that was moved continues in a new file of its name") {
  std::string folder = "/tmp/kferry-log-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/kferry.log";
  const std::string moved = folder + "/kferry.log.1";
  {
    const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const auto log = Log::start({.fd = file.get()});
    REQUIRE(log);
    (*log)->reopen();  // it is the same
    (*log)->write({Severity::info, "first", "", "text"});
    REQUIRE((*log)->flush(10s));
    CHECK(content(path).find("cause=log_reopened") == std::string::npos);
    REQUIRE(rename(path.c_str(), moved.c_str()) == 0);
    (*log)->write({Severity::info, "second", "", "text"});
    (*log)->reopen();
    (*log)->write({Severity::info, "third", "", "text"});
    REQUIRE((*log)->flush(10s));
    CHECK(content(path).find("cause=log_reopened") != std::string::npos);
    CHECK(content(path).find("cause=third") != std::string::npos);
    CHECK(content(moved).find("cause=first") != std::string::npos);
    CHECK(content(moved).find("cause=second") != std::string::npos);
    CHECK(content(moved).find("cause=third") == std::string::npos);
    struct stat status{};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
  }
  unlink(path.c_str());
  unlink(moved.c_str());
  rmdir(folder.c_str());
}

TEST_CASE("a file that cannot be opened again keeps the log where it is") {
  std::string folder = "/tmp/kferry-log-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/kferry.log";
  const std::string moved = folder + "/kferry.log.1";
  {
    const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const auto log = Log::start({.fd = file.get()});
    REQUIRE(log);
    REQUIRE(rename(path.c_str(), moved.c_str()) == 0);
    REQUIRE(mkdir(path.c_str(), 0700) == 0);
    (*log)->reopen();
    REQUIRE((*log)->flush(10s));
    CHECK(content(moved).find("cause=log_not_reopened subject=" + path) != std::string::npos);
  }
  rmdir(path.c_str());
  unlink(moved.c_str());
  rmdir(folder.c_str());
}

TEST_CASE("a log that is not a file is never reopened") {
  const Bench bench;
  bench.log->reopen();
  bench.write("refused", "a");
  CHECK(bench.lines().size() == 1);
}

TEST_CASE("the journal is recognised by its device and inode") {
  const auto ends = make_pipe();
  const Descriptor one(ends[0]);
  const Descriptor other(ends[1]);
  struct stat status{};
  REQUIRE(fstat(one.get(), &status) == 0);
  const std::string own = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  CHECK(is_journal(one.get(), own.c_str()));
  CHECK_FALSE(is_journal(one.get(), nullptr));
  for (const std::string& text : {own + "1", own + ":", own + " ", std::string("1:2"), std::string(":"),
                                  std::string(""), std::to_string(status.st_dev)})
    CHECK_FALSE(is_journal(one.get(), text.c_str()));
}

TEST_CASE("lost lines are reported once the reader is back") {
  const Bench bench(LogOptions{.queue_lines_max = 1});
  std::array<char, 4096> filling{};
  filling.fill('\n');
  REQUIRE(fcntl(bench.writing.get(), F_SETFL, O_NONBLOCK) == 0);
  while (::write(bench.writing.get(), filling.data(), filling.size()) > 0) {
  }
  REQUIRE(fcntl(bench.writing.get(), F_SETFL, 0) == 0);
  for (std::size_t i = 0; i < 50; ++i) bench.write("c", std::to_string(i));
  const std::uint64_t dropped = bench.log->dropped();
  CHECK(dropped >= 48);  // one is queued, and one is in the writing thread's hands
  // The lines that were dropped before the thread took the first one have a report of their own.
  const std::uint64_t reported = lost_in(bench.read());
  bench.log->tick();
  CHECK(bench.read() == "2026-11-24T16:38:00.123Z level=warning cause=log_lines_lost \"" +
                            std::to_string(dropped - reported) +
                            " lines were lost: the reader of this log did not keep up\"\n");
  bench.write("c", "after");
  CHECK(bench.read().find("subject=after") != std::string::npos);
}

TEST_CASE("threads write whole lines, each in its own order") {
  const Bench bench(LogOptions{.repeats = {.cause_burst = 1000}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&bench, t] {
      for (int i = 0; i < 50; ++i) bench.write("t", std::to_string(t * 1000 + i), std::string(50, 'y'));
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = bench.lines();
  CHECK(lines.size() == 200);
  std::array<int, 4> last{-1, -1, -1, -1};
  for (const auto& line : lines) {
    CHECK((line.starts_with("2026-") && line.ends_with("y\"")));
    const int subject = std::stoi(line.substr(line.find("subject=") + 8));
    int& before = last.at(static_cast<std::size_t>(subject) / 1000);
    CHECK(subject % 1000 == before + 1);
    before = subject % 1000;
  }
}

}  // namespace
}  // namespace kferry::operations
