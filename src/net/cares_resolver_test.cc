#include "net/cares_resolver.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "net/dns_server_test.h"

namespace kferry::net {
namespace {

using namespace std::chrono_literals;
using testing::DnsServer;
using testing::Record;
using Way = Record::Way;

std::unique_ptr<Resolver> start(const DnsServer& server, Duration timeout = 5s, Duration attempt = 200ms) {
  auto started = start_cares_resolver({.timeout = timeout,
                                       .attempt_timeout = attempt,
                                       .servers = server.address(),
                                       .resolv_conf = "/dev/null"});
  REQUIRE(started.has_value());
  return std::move(*started);
}

std::vector<std::string> texts(const Answer& answer) {
  std::vector<std::string> out;
  for (const SocketAddress& address : answer.addresses) out.push_back(address.text());
  return out;
}

using Texts = std::vector<std::string>;

// The answers to requests that a test makes without waiting for each.
class Answers {
 public:
  Answers()
      : queue_(std::make_shared<AnswerQueue>([this] {
          const std::lock_guard lock(mutex_);
          has_arrived_ = true;
          arrived_.notify_one();
        })) {}
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;
  ~Answers() { queue_->close(); }

  const std::shared_ptr<AnswerQueue>& queue() const { return queue_; }
  // Waits until there are some.
  std::vector<Answer> next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return has_arrived_; });
    has_arrived_ = false;
    lock.unlock();
    return queue_->drain();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool has_arrived_ = false;
  std::shared_ptr<AnswerQueue> queue_;
};

TEST_CASE("an answer has every address of a name, IPv4 first, with the request's port") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.2", "10.0.0.1"}, .v6 = {"fd00::1"}});
  const auto resolver = start(server);
  const Answer answer = resolve_and_wait(*resolver, {"kafka1.test", 9092});
  CHECK(answer.error == "");
  CHECK_FALSE(answer.stale);
  CHECK(texts(answer) == Texts{"10.0.0.2:9092", "10.0.0.1:9092", "[fd00::1]:9092"});
}

TEST_CASE("an answer is reused for its TTL, at least 1 s, whatever the case and port") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}, .ttl_s = 0});
  const auto resolver = start(server);
  CHECK(texts(resolve_and_wait(*resolver, {"kafka1.test", 1})) == Texts{"10.0.0.1:1"});
  const auto learnt = std::chrono::steady_clock::now();
  server.set("kafka1.test", {.v4 = {"10.0.0.9"}, .ttl_s = 60});
  const Answer again = resolve_and_wait(*resolver, {"KAFKA1.test", 2});
  const bool within = std::chrono::steady_clock::now() - learnt < 900ms;
  if (within) CHECK(texts(again) == Texts{"10.0.0.1:2"});
  // The TTL is over: the name is asked for again, and the new address is used.
  std::this_thread::sleep_until(learnt + 1100ms);
  CHECK(texts(resolve_and_wait(*resolver, {"kafka1.test", 3})) == Texts{"10.0.0.9:3"});
}

TEST_CASE("a doubted name is asked again before its TTL is over") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}, .ttl_s = 60});
  const auto resolver = start(server);
  CHECK(texts(resolve_and_wait(*resolver, {"kafka1.test", 1})) == Texts{"10.0.0.1:1"});
  server.set("kafka1.test", {.v4 = {"10.0.0.9"}, .ttl_s = 60});
  resolver->doubt("KAFKA1.test");
  CHECK(texts(resolve_and_wait(*resolver, {"kafka1.test", 1})) == Texts{"10.0.0.9:1"});
}

TEST_CASE("a slow server costs 250 ms where there is a good answer, and its answer is used later") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}, .ttl_s = 0});
  const auto resolver = start(server, 20s, 5s);
  CHECK(texts(resolve_and_wait(*resolver, {"kafka1.test", 1})) == Texts{"10.0.0.1:1"});
  server.set("kafka1.test", {.way = Way::silence});
  std::this_thread::sleep_for(1050ms);  // the minimum TTL
  const auto began = std::chrono::steady_clock::now();
  const Answer kept = resolve_and_wait(*resolver, {"kafka1.test", 1});
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(kept.stale);
  CHECK(texts(kept) == Texts{"10.0.0.1:1"});
  CHECK(took >= 250ms);
  CHECK(took < 4s);
}

TEST_CASE("literals are answered at once, without DNS") {
  DnsServer server;
  const auto resolver = start(server);
  bool notified = false;
  const auto queue = std::make_shared<AnswerQueue>([&] { notified = true; });
  resolver->resolve(7, {"::1", 9092}, queue);
  CHECK(notified);
  const auto answers = queue->drain();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].request == 7);
  CHECK(texts(answers[0]) == Texts{"[::1]:9092"});
}

TEST_CASE("a name that does not exist is reported as such, and asked again after at most a second") {
  DnsServer server;
  const auto resolver = start(server);
  const Answer answer = resolve_and_wait(*resolver, {"nowhere.test", 1});
  CHECK(answer.addresses.empty());
  CHECK(answer.error.find("has no such name: nowhere.test") != std::string::npos);
}

TEST_CASE("a failing server keeps the last good answer, and \"no such name\" forgets it") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}, .ttl_s = 0});
  const auto resolver = start(server);
  CHECK(resolve_and_wait(*resolver, {"kafka1.test", 1}).error.empty());
  server.set("kafka1.test", {.way = Way::server_failure});
  std::this_thread::sleep_for(1050ms);  // the minimum TTL
  const Answer kept = resolve_and_wait(*resolver, {"kafka1.test", 1});
  CHECK(kept.stale);
  CHECK(kept.age >= 1s);
  CHECK(kept.error.find("kafka1.test") != std::string::npos);
  CHECK(kept.error.find("SERVFAIL") !=
        std::string::npos);  // newer versions of c-ares distinguish it from "unreachable"
  CHECK(texts(kept) == Texts{"10.0.0.1:1"});
  server.set("kafka1.test", {.way = Way::no_such_name});
  std::this_thread::sleep_for(1050ms);  // as long as a failure is reused
  const Answer gone = resolve_and_wait(*resolver, {"kafka1.test", 1});
  CHECK_FALSE(gone.stale);
  CHECK(gone.addresses.empty());
}

TEST_CASE("a silent server costs the time limit and no more") {
  DnsServer server;
  server.set("kafka1.test", {.way = Way::silence});
  const auto resolver = start(server, 300ms, 5s);
  const auto began = std::chrono::steady_clock::now();
  const Answer answer = resolve_and_wait(*resolver, {"kafka1.test", 1});
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(answer.addresses.empty());
  CHECK(answer.error.find("in time") != std::string::npos);
  CHECK(took >= 300ms);
  CHECK(took < 4s);
}

TEST_CASE("garbage and truncated answers fail within the time limit") {
  DnsServer server;
  server.set("garbage.test", {.way = Way::garbage, .v4 = {"10.0.0.1"}});
  server.set("short.test", {.way = Way::truncated_bytes, .v4 = {"10.0.0.1"}, .v6 = {"fd00::1"}});
  const auto resolver = start(server, 1s, 100ms);
  for (const char* name : {"garbage.test", "short.test"}) {
    const Answer answer = resolve_and_wait(*resolver, {name, 1});
    CHECK(answer.addresses.empty());
    CHECK_FALSE(answer.error.empty());
  }
}

TEST_CASE("many requests for one name share one question") {
  DnsServer server;
  server.set("kafka1.test", {.way = Way::silence});
  const auto resolver = start(server, 5s, 100ms);
  Answers answers;
  resolver->resolve(0, {"kafka1.test", 1}, answers.queue());
  server.wait_until_asked("kafka1.test", 1);
  for (std::uint64_t i = 1; i < 100; ++i) resolver->resolve(i, {"kafka1.test", 1}, answers.queue());
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}});
  for (std::size_t count = 0; count < 100;) {
    for (const Answer& answer : answers.next()) {
      CHECK(texts(answer) == Texts{"10.0.0.1:1"});
      ++count;
    }
  }
  CHECK(server.asked("kafka1.test") <= 2);  // the unanswered question and its repetition
}

TEST_CASE("the destructor drops open questions, and calls nothing") {
  DnsServer server;
  std::atomic<int> notified = 0;
  const auto queue = std::make_shared<AnswerQueue>([&] { ++notified; });
  {
    auto resolver = start(server, 60s, 30s);
    for (std::uint64_t i = 0; i < 50; ++i) {
      const std::string name = "silent" + std::to_string(i) + ".test";
      server.set(name, {.way = Way::silence});
      resolver->resolve(i, {name, 1}, queue);
    }
    server.wait_until_asked("silent49.test", 1);
  }
  CHECK(notified == 0);
  CHECK(queue->drain().empty());
}

TEST_CASE("a closed queue gets no more answers") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}});
  const auto resolver = start(server);
  std::atomic<int> notified = 0;
  const auto queue = std::make_shared<AnswerQueue>([&] { ++notified; });
  queue->close();
  resolver->resolve(0, {"kafka1.test", 1}, queue);
  // This request is answered later, by the same thread.
  CHECK(resolve_and_wait(*resolver, {"kafka1.test", 1}).error.empty());
  CHECK(notified == 0);
  CHECK(queue->drain().empty());
}

class File {
 public:
  File() : path_("/tmp/kferry-resolver-test-" + std::to_string(getpid())) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }
  void write(const std::string& text) const {
    std::ofstream out(path_ + ".new");
    out << text;
    out.close();
    REQUIRE(std::rename((path_ + ".new").c_str(), path_.c_str()) == 0);
  }

 private:
  std::string path_;
};

TEST_CASE("a changed resolv.conf is read, and open questions are asked again") {
  DnsServer before;
  DnsServer after(INADDR_LOOPBACK + 1, before.port());
  before.set("stuck.test", {.way = Way::silence});
  after.set("stuck.test", {.v4 = {"10.0.0.1"}});
  after.set("kafka1.test", {.v4 = {"10.0.0.2"}});
  const File file;
  file.write("nameserver 127.0.0.1\n");
  auto started = start_cares_resolver(
      {.timeout = 20s, .attempt_timeout = 10s, .port = before.port(), .resolv_conf = file.path()});
  REQUIRE(started.has_value());
  Answers answers;
  (*started)->resolve(1, {"stuck.test", 1}, answers.queue());
  before.wait_until_asked("stuck.test", 1);
  file.write("nameserver 127.0.0.2\n");
  CHECK(texts(resolve_and_wait(**started, {"kafka1.test", 1})) == Texts{"10.0.0.2:1"});
  const auto stuck = answers.next();
  REQUIRE(stuck.size() == 1);
  CHECK(texts(stuck[0]) == Texts{"10.0.0.1:1"});
}

TEST_CASE("the hosts file comes before DNS") {
  DnsServer server;
  server.set("kafka1.test", {.v4 = {"10.0.0.1"}});
  const File file;
  file.write("192.0.2.7 kafka1.test\n");
  REQUIRE(setenv("CARES_HOSTS", file.path().c_str(), 1) == 0);
  const auto started = start_cares_resolver(
      {.servers = server.address(), .resolv_conf = "/dev/null", .hosts_from_environment = true});
  REQUIRE(started.has_value());
  const Answer answer = resolve_and_wait(**started, {"kafka1.test", 9092});
  unsetenv("CARES_HOSTS");
  CHECK(texts(answer) == Texts{"192.0.2.7:9092"});
  CHECK(server.asked("kafka1.test") == 0);
}

TEST_CASE("invalid servers are refused at the start") {
  CHECK_FALSE(start_cares_resolver({.servers = "not an address"}).has_value());
}

}  // namespace
}  // namespace kferry::net
