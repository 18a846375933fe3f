#include "operations/control_server.h"

#include <condition_variable>
#include <mutex>

#include "operations/control_fixture_test.h"

namespace kferry::operations {
namespace {

struct Served {
  explicit Served(ControlServer::Options options = {}) {
    auto socket = ControlSocket::open(folder.path);
    REQUIRE(socket);
    auto started = ControlServer::start(
        std::move(*socket), [](const JsonObject& request) { return answer(request); }, [this] { run_task(); },
        options);
    REQUIRE(started);
    server = std::move(*started);
  }

  static ControlAnswer answer(const JsonObject& request) {
    JsonObject echo;
    echo.set_text("type", "echo").set_text("text", request.text("text").value_or("-"));
    ControlAnswer lines(static_cast<std::size_t>(request.number("lines").value_or(1)), echo);
    if (request.flag("follow").value_or(false)) return lines;
    lines.push_back(control_result(true, "done").front());
    return lines;
  }
  void run_task() {
    const std::lock_guard lock(mutex);
    ++tasks;
    changed.notify_all();
  }

  ControlFolder folder;
  std::mutex mutex;
  std::condition_variable changed;
  int tasks = 0;
  std::unique_ptr<ControlServer> server;  // last: its thread uses the others
};

const std::string done = "{\"v\":1,\"ok\":true,\"text\":\"done\",\"type\":\"result\"}\n";
std::string echo(const std::string& text) {
  return "{\"v\":1,\"text\":\"" + text + "\",\"type\":\"echo\"}\n";
}

}  // namespace

TEST_CASE("a request on one line is answered by lines of which the last is the result") {
  const Served served;
  const int client = connect_to(served.folder.path);
  send_text(client, "{\"v\":1,\"command\":\"x\",\"text\":\"a\",\"lines\":2}\n");
  CHECK(read_lines(client, 3) == echo("a") + echo("a") + done);
  send_text(client, "{\"v\":1,\"text\":\"b\"}\n{\"v\":1,\"te");
  CHECK(read_lines(client, 2) == echo("b") + done);
  send_text(client, "xt\":\"c\"}\n");
  CHECK(read_lines(client, 2) == echo("c") + done);
  close(client);
}

TEST_CASE("requests that come at once are answered in order, however slowly the answers are taken") {
  const Served served;
  const int client = connect_to(served.folder.path);
  send_text(client, "{\"v\":1,\"text\":\"a\",\"lines\":20000}\n{\"v\":1,\"text\":\"b\"}\n");
  const std::string all = read_lines(client, 20'003);
  CHECK(all.size() == 20'000 * echo("a").size() + echo("b").size() + 2 * done.size());
  CHECK(all.ends_with(done + echo("b") + done));
  close(client);
}

TEST_CASE("what is not a request of version 1 is refused, and the connection continues") {
  const Served served;
  const int client = connect_to(served.folder.path);
  send_text(client, "hello\n");
  CHECK(read_lines(client, 1).find("\"ok\":false,\"text\":\"the request is not a flat JSON object") !=
        std::string::npos);
  send_text(client, "{\"v\":2,\"command\":\"x\"}\n");
  CHECK(read_lines(client, 1).find("only version 1") != std::string::npos);
  send_text(client, "{\"v\":1}\n");
  CHECK(read_lines(client, 2) == echo("-") + done);
  close(client);
}

TEST_CASE("a request that is too long ends its connection, with or without a line end") {
  const Served served({.request_size_max = 64});
  for (const char* end : {"", "\n"}) {
    const int client = connect_to(served.folder.path);
    send_text(client, std::string(100, 'a') + end);
    CHECK(read_lines(client, 2).find("too long") != std::string::npos);  // and the end of the stream
    close(client);
  }
}

TEST_CASE("the connection that has been idle for longest gives way to a new one") {
  const Served served({.connections_max = 2});
  const int first = connect_to(served.folder.path);
  send_text(first, "{\"v\":1}\n");
  CHECK(read_lines(first, 2) == echo("-") + done);
  const int second = connect_to(served.folder.path);
  send_text(second, "{\"v\":1}\n");
  CHECK(read_lines(second, 2) == echo("-") + done);
  const int third = connect_to(served.folder.path);
  send_text(third, "{\"v\":1}\n");
  CHECK(read_lines(third, 2) == echo("-") + done);
  CHECK(read_lines(first, 1).empty());
  send_text(second, "{\"v\":1}\n");
  CHECK(read_lines(second, 2) == echo("-") + done);
  for (const int fd : {first, second, third}) close(fd);
}

TEST_CASE("a silent connection is closed in time") {
  const Served served({.request_timeout = std::chrono::milliseconds(50)});
  const int client = connect_to(served.folder.path);
  CHECK(read_lines(client, 1).empty());
  close(client);
}

TEST_CASE("a client whose answer has no result follows what is told until a result is") {
  Served served;
  const int follower = connect_to(served.folder.path);
  const int other = connect_to(served.folder.path);
  send_text(follower, "{\"v\":1,\"text\":\"a\",\"follow\":true}\n{\"v\":1,\"text\":\"b\"}\n");
  CHECK(read_lines(follower, 1) == echo("a"));
  JsonObject news;
  served.server->tell(news.set_text("type", "echo").set_text("text", "half"));
  CHECK(read_lines(follower, 1) == echo("half"));
  served.server->tell(control_result(true, "done").front());
  CHECK(read_lines(follower, 3) == done + echo("b") + done);
  send_text(other, "{\"v\":1}\n");
  CHECK(read_lines(other, 2) == echo("-") + done);  // it did not follow
  close(follower);
  close(other);
}

TEST_CASE("what was told before the end is delivered") {
  Served served;
  const int follower = connect_to(served.folder.path);
  send_text(follower, "{\"v\":1,\"text\":\"a\",\"follow\":true}\n");
  CHECK(read_lines(follower, 1) == echo("a"));
  served.server->tell(control_result(true, "done").front());
  served.server.reset();
  CHECK(read_lines(follower, 2) == done);  // and the end of the stream
  close(follower);
}

TEST_CASE("a follower that takes nothing is closed, and others are not") {
  Served served({.backlog_max = 1000});
  const int lazy = connect_to(served.folder.path);
  const int eager = connect_to(served.folder.path);
  for (const int fd : {lazy, eager}) {
    send_text(fd, "{\"v\":1,\"text\":\"a\",\"follow\":true}\n");
    CHECK(read_lines(fd, 1) == echo("a"));
  }
  const std::string text(500, 'x');
  for (int i = 0; i < 2000; ++i) {
    JsonObject news;
    served.server->tell(news.set_text("type", "echo").set_text("text", text));
    REQUIRE(read_lines(eager, 1) == echo(text));
  }
  std::string taken = read_lines(lazy, 2001);  // until the end of the stream
  CHECK(taken.size() < 2000 * echo(text).size());
  send_text(eager, "{\"v\":1}\n");
  served.server->tell(control_result(true, "done").front());
  CHECK(read_lines(eager, 3) == done + echo("-") + done);
  close(lazy);
  close(eager);
}

TEST_CASE("what other threads ask for runs on the server's thread, often asked or seldom") {
  Served served;
  for (int i = 0; i < 100; ++i) served.server->soon();
  std::unique_lock lock(served.mutex);
  CHECK(served.changed.wait_for(lock, std::chrono::seconds(10), [&] { return served.tasks > 0; }));
  const int before = served.tasks;
  lock.unlock();
  served.server->soon();
  lock.lock();
  CHECK(served.changed.wait_for(lock, std::chrono::seconds(10), [&] { return served.tasks > before; }));
}

}  // namespace kferry::operations
