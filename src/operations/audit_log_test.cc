#include "operations/audit_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <vector>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

// A folder of its own, and a log that keeps what it is told.
struct Bench final : LogSink {
  Bench() {
    std::string name = (std::filesystem::temp_directory_path() / "kferry-audit-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
    former = std::signal(SIGPIPE, SIG_IGN);  // as the program does
  }
  ~Bench() override {
    std::filesystem::remove_all(folder);
    std::signal(SIGPIPE, former);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void write(const LogEvent& event) noexcept override {
    const std::lock_guard lock(mutex);
    logged.push_back(std::string(event.cause) + ": " + event.text);
  }
  std::string path(const char* name = "audit") const { return folder + "/" + name; }
  std::unique_ptr<AuditLog> start(const std::string& to, std::size_t records_max = 100) {
    auto started = AuditLog::start({.to = to, .queue_records_max = records_max, .end_wait = 100ms}, *this);
    REQUIRE(started);
    return std::move(*started);
  }
  static std::size_t lines(const std::string& file) {
    std::ifstream in(file);
    const std::string all(std::istreambuf_iterator<char>(in), {});
    CHECK((all.empty() || all.back() == '\n'));  // whole records only
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
  }

  std::string folder;
  std::vector<std::string> logged;
  std::mutex mutex;
  void (*former)(int) = SIG_DFL;
};

void write(AuditLog& audit, int records) {
  AuditRecord record;
  record.client = *SocketAddress::parse("10.0.0.1", 1);
  for (int i = 0; i < records; ++i) audit.write(record);
}

// False: the writer has not done it in time.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

TEST_CASE("records are appended to a file that others cannot read") {
  Bench bench;
  {
    const auto audit = bench.start(bench.path());
    write(*audit, 3);
    CHECK(audit->records() == 3);
    CHECK(audit->sink() == "file");
  }
  CHECK(Bench::lines(bench.path()) == 3);
  struct stat status{};
  REQUIRE(stat(bench.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0137) == 0);
  write(*bench.start(bench.path()), 2);
  CHECK(Bench::lines(bench.path()) == 5);
  CHECK(bench.logged.empty());
}

TEST_CASE("after a rotation the trail continues in the file that has the name") {
  Bench bench;
  const auto audit = bench.start(bench.path());
  write(*audit, 2);
  REQUIRE(rename(bench.path().c_str(), bench.path("former").c_str()) == 0);
  audit->reopen();
  write(*audit, 3);
  CHECK(eventually([&] { return Bench::lines(bench.path()) == 3; }));
  CHECK(Bench::lines(bench.path("former")) == 2);
  std::filesystem::remove(bench.path());
  std::filesystem::create_directory(bench.path());
  audit->reopen();
  REQUIRE(bench.logged.size() == 1);
  CHECK(bench.logged[0].starts_with("audit_not_reopened: "));
}

TEST_CASE("what a full disk refuses is counted and told once") {
  Bench bench;
  const auto audit = bench.start("/dev/full");
  write(*audit, 5);
  CHECK(eventually([&] { return audit->dropped() == 5; }));
  CHECK(audit->records() == 5);
  audit->tick();
  audit->tick();
  REQUIRE(bench.logged.size() == 1);
  CHECK(bench.logged[0].starts_with("audit_records_lost: 5 audit records were lost"));
}

TEST_CASE("a FIFO without a reader delays nothing, and is written to once there is one") {
  Bench bench;
  REQUIRE(mkfifo(bench.path().c_str(), 0600) == 0);
  const auto audit = bench.start(bench.path());
  write(*audit, 7);
  CHECK(eventually([&] { return audit->dropped() == 7; }));
  const int reader = open(bench.path().c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  audit->tick();
  write(*audit, 1);
  std::array<char, 4096> line{};
  ssize_t size = 0;
  CHECK(eventually([&] { return (size = read(reader, line.data(), line.size())) > 0; }));
  CHECK(line[static_cast<std::size_t>(size) - 1] == '\n');
  close(reader);
  write(*audit, 2);
  CHECK(eventually([&] { return audit->dropped() == 9; }));
  CHECK(audit->records() == 10);
}

TEST_CASE("of a FIFO whose reader is stuck, every record is read whole or counted as dropped") {
  Bench bench;
  REQUIRE(mkfifo(bench.path().c_str(), 0600) == 0);
  const int reader = open(bench.path().c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  std::string all;
  {
    const auto audit = bench.start(bench.path(), 20);
    write(*audit, 2000);
    CHECK(audit->dropped() > 0);
    const auto read_all = [&] {
      std::array<char, 65536> part{};
      for (ssize_t size = 0; (size = read(reader, part.data(), part.size())) > 0;)
        all.append(part.data(), static_cast<std::size_t>(size));
      const auto read_lines = static_cast<std::uint64_t>(std::count(all.begin(), all.end(), '\n'));
      return read_lines + audit->dropped() == audit->records();
    };
    CHECK(eventually(read_all));
  }
  CHECK(all.back() == '\n');
  close(reader);
}

TEST_CASE("what cannot be opened is an error that names it") {
  Bench bench;
  const auto started = AuditLog::start({.to = bench.path("none/audit")}, bench);
  REQUIRE_FALSE(started);
  CHECK(started.error().find("none/audit: No such file or directory: correct audit") != std::string::npos);
}

}  // namespace
}  // namespace kferry::operations
