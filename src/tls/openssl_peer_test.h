// An engine and `openssl s_client` or `s_server`, an independent implementation, with a socket on loopback and a pump
// between them; for tests.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "tls/engine_pair_test.h"

extern char** environ;

namespace kferry::tls {

using State = Engine::State;
using Clock = std::chrono::steady_clock;

inline constexpr auto patience = std::chrono::seconds(30);

struct Fd {
  int number = -1;
  explicit Fd(int n) : number(n) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (number >= 0) close(number);
  }
};

// An openssl process. Its output goes to a file, and its input is a pipe held by this object.
class Process {
 public:
  explicit Process(const std::string& command) {
    std::array<int, 2> in{}, out{};
    REQUIRE(pipe2(in.data(), O_CLOEXEC) == 0);
    REQUIRE(pipe2(out.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    const std::string line = "exec openssl " + command;
    std::string sh = "sh", c = "-c", text = line;
    std::array<char*, 4> words{sh.data(), c.data(), text.data(), nullptr};
    REQUIRE(posix_spawn(&pid_, "/bin/sh", &actions, nullptr, words.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    end_input();
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    close(out_);
  }

  void say(std::string_view text) const {
    REQUIRE(::write(in_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end_input() {
    if (in_ >= 0) close(in_);
    in_ = -1;
  }
  const std::string& said() {
    std::array<char, 4096> part;
    for (ssize_t got = 0; (got = read(out_, part.data(), part.size())) > 0;)
      said_.append(part.data(), static_cast<std::size_t>(got));
    return said_;
  }
  bool waits_for(std::string_view words) {
    const auto until = Clock::now() + patience;
    while (said().find(words) == std::string::npos) {
      if (Clock::now() > until) return false;
      pollfd one{out_, POLLIN, 0};
      poll(&one, 1, 200);
      if ((one.revents & (POLLIN | POLLHUP)) == POLLHUP) return said().find(words) != std::string::npos;
    }
    return true;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string said_;
};

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int listen_anywhere(std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd, 8) == 0);
  socklen_t size = sizeof address;
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

// Moves bytes between a socket and an engine until `done`, the end of stream, or a time-out.
template <typename Done>
void pump(int fd, Engine& engine, std::string& plain, Done done) {
  const auto until = Clock::now() + patience;
  std::vector<std::byte> in(20'000), room(20'000);
  while (!done() && Clock::now() < until) {
    while (!engine.to_send().empty()) {
      const ssize_t wrote = send(fd, engine.to_send().data(), engine.to_send().size(), MSG_NOSIGNAL);
      if (wrote <= 0) return;
      engine.sent(static_cast<std::size_t>(wrote));
    }
    if (done() || engine.state() == State::failed) return;
    pollfd one{fd, POLLIN, 0};
    if (poll(&one, 1, 1000) <= 0) continue;
    const ssize_t got = recv(fd, in.data(), in.size(), 0);
    if (got <= 0) {
      engine.end_of_input();
      return;
    }
    auto rest = std::span<const std::byte>(in).first(static_cast<std::size_t>(got));
    while (!rest.empty() || engine.has_plain()) {
      const auto fed = engine.feed(rest, room);
      plain.append(reinterpret_cast<const char*>(room.data()), fed.made);
      rest = rest.subspan(fed.taken);
      if (fed.taken + fed.made == 0) break;
    }
  }
}

inline void say(int fd, Engine& engine, std::string_view text) {
  std::vector<std::byte> cipher(engine.to_send().size() + text.size() + record_overhead_max);
  const auto wrote = engine.write(bytes_of(text), cipher);
  REQUIRE(wrote.taken == text.size());
  REQUIRE(send(fd, cipher.data(), wrote.made, MSG_NOSIGNAL) == static_cast<ssize_t>(wrote.made));
}

struct Served {
  std::unique_ptr<Engine> engine;
  std::string plain;
  std::string openssl;
};

// One `openssl s_client` with `options` against a server engine: a word each way, then its close_notify.
inline Served serve_s_client(const Engine::Choose& choose, const std::string& options) {
  std::uint16_t port = 0;
  const Fd listener(listen_anywhere(port));
  const auto& folder = certificates().authority.folder();
  Process client("s_client -connect 127.0.0.1:" + std::to_string(port) + " -CAfile " + (folder / "ca.crt") +
                 " " + options);
  pollfd waiting{listener.number, POLLIN, 0};
  REQUIRE(poll(&waiting, 1, 30'000) == 1);
  const Fd socket(accept4(listener.number, nullptr, nullptr, SOCK_CLOEXEC));
  Served served{Engine::server(choose), {}, {}};
  Engine& engine = *served.engine;
  pump(socket.number, engine, served.plain, [&] { return engine.state() == State::open; });
  if (engine.state() == State::open) {
    client.say("from openssl\n");
    pump(socket.number, engine, served.plain, [&] { return served.plain.find('\n') != std::string::npos; });
    if (engine.state() == State::open) {
      say(socket.number, engine, "from kferry\n");
      client.waits_for("from kferry");
      client.end_input();
      pump(socket.number, engine, served.plain, [&] { return engine.state() == State::ended; });
    }
  } else {
    pump(socket.number, engine, served.plain, [] { return false; });
    client.waits_for("alert");
  }
  served.openssl = client.said();
  return served;
}

// A client engine against `openssl s_server`.
struct Dialled {
  std::unique_ptr<Engine> engine;
  std::string plain;
};

inline Dialled dial_s_server(std::uint16_t port, const std::shared_ptr<const ClientContext>& context,
                             Process& server, const std::string& host = "localhost") {
  const Fd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  REQUIRE(connect(socket_fd.number, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  Dialled dialled{Engine::client(context, host, port), {}};
  Engine& engine = *dialled.engine;
  pump(socket_fd.number, engine, dialled.plain, [&] { return engine.state() == State::open; });
  if (engine.state() != State::open) return dialled;
  say(socket_fd.number, engine, "from kferry\n");
  CHECK(server.waits_for("from kferry"));
  server.say("from openssl\n");
  pump(socket_fd.number, engine, dialled.plain,
       [&] { return dialled.plain.find('\n') != std::string::npos; });
  engine.close();
  pump(socket_fd.number, engine, dialled.plain, [&] { return engine.to_send().empty(); });
  return dialled;
}

// A port that was free a moment ago. s_server reports when it listens.
inline std::uint16_t free_port() {
  std::uint16_t port = 0;
  const Fd fd(listen_anywhere(port));
  return port;
}

}  // namespace kferry::tls
