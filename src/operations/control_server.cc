#include "operations/control_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <list>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "base/start_thread.h"

namespace kferry::operations {
namespace {

using std::chrono::milliseconds;

// Accepting is tried again after this when descriptors ran out.
constexpr milliseconds accept_again_after(100);

struct Connection {
  explicit Connection(int socket) : fd(socket) {}
  ~Connection() { close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool writing() const { return sent < out.size(); }

  const int fd;
  bool closed = false;
  bool last = false;  // closed once `out` is sent
  bool following = false;
  Instant deadline{};  // of the next request, or of the answer
  Instant moved_at{};  // when a byte last came or went
  std::string in{};
  std::string out{};
  std::size_t sent = 0;
};

bool is_result(const JsonObject& line) {
  return line.text("type") == "result";
}

// Whether the process at the other end may give commands.
bool may_command(int fd) {
  ucred other{};
  socklen_t size = sizeof other;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &size) != 0) return false;
  return other.uid == 0 || other.uid == geteuid();
}

}  // namespace

ControlAnswer control_result(bool ok, std::string_view text) {
  JsonObject result;
  result.set_text("type", "result").set_flag("ok", ok).set_text("text", text);
  return {result};
}

struct ControlServer::Loop {
  Loop(std::optional<ControlSocket> served, Handler answers, Task own_task, Options limits)
      : socket(std::move(served)),
        handler(std::move(answers)),
        task(std::move(own_task)),
        options(limits),
        wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Loop() {
    if (wake >= 0) close(wake);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();
  bool take_wakes();
  void deliver(Instant now);
  int wait_ms(Instant now) const;
  void accept_some(Instant now);
  void displace();
  void on_ready(Connection& connection, Instant now);
  void read_some(Connection& connection, Instant now);
  void answer_requests(Connection& connection, Instant now);
  void reply(Connection& connection, ControlAnswer answer, Instant now);
  void write_some(Connection& connection, Instant now);
  ControlAnswer answer_to(std::string_view line) const;

  std::optional<ControlSocket> socket;
  const Handler handler;
  const Task task;
  const Options options;
  const int wake;  // readable once there is something to do for other threads
  std::atomic<bool> stop = false;
  std::atomic<bool> asked = false;
  std::mutex telling;  // of `told`
  std::vector<JsonObject> told;
  std::list<Connection> connections;
  Instant accept_at{};  // not before
};

// False: the loop ends.
bool ControlServer::Loop::take_wakes() {
  std::uint64_t count = 0;
  while (read(wake, &count, sizeof count) == sizeof count) {
  }
  const bool stopping = stop.load(std::memory_order_acquire);
  deliver(monotonic_now());
  if (stopping) return false;
  if (asked.exchange(false, std::memory_order_acq_rel)) task();
  return !stop.load(std::memory_order_acquire);
}

void ControlServer::Loop::deliver(Instant now) {
  std::vector<JsonObject> lines;
  {
    const std::scoped_lock lock(telling);
    lines.swap(told);
  }
  for (JsonObject& line : lines) {
    const bool result = is_result(line);
    const std::string text = line.set_number("v", control_version).to_string() + "\n";
    for (Connection& one : connections) {
      if (!one.following || one.closed) continue;
      one.following = !result;
      if (one.out.size() - one.sent + text.size() > options.backlog_max) {
        one.closed = true;
        continue;
      }
      if (!one.writing()) one.deadline = now + options.request_timeout;
      one.out += text;
      write_some(one, now);
      if (result && !stop.load(std::memory_order_acquire)) answer_requests(one, now);
    }
  }
}

int ControlServer::Loop::wait_ms(Instant now) const {
  Instant next = now < accept_at ? accept_at : Instant::max();
  for (const Connection& one : connections) next = std::min(next, one.deadline);
  if (next == Instant::max()) return -1;
  const auto left = std::chrono::ceil<milliseconds>(next - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void ControlServer::Loop::run() {
  for (;;) {
    Instant now = monotonic_now();
    const int listening = socket && now >= accept_at ? socket->listening() : -1;
    std::vector<pollfd> wanted{{wake, POLLIN, 0}, {listening, POLLIN, 0}};
    for (const Connection& one : connections)
      wanted.push_back({one.fd, static_cast<short>(one.writing() ? POLLOUT : POLLIN), 0});
    if (poll(wanted.data(), static_cast<nfds_t>(wanted.size()), wait_ms(now)) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (wanted[0].revents != 0 && !take_wakes()) return;
    now = monotonic_now();
    std::size_t at = 2;
    for (Connection& one : connections) {
      if (wanted[at++].revents != 0 && !one.closed)
        on_ready(one, now);
      else if (now >= one.deadline)
        one.closed = true;
    }
    std::erase_if(connections, [](const Connection& one) { return one.closed; });
    // Last, because accepting may displace connections.
    if (wanted[1].revents != 0) accept_some(now);
  }
}

void ControlServer::Loop::accept_some(Instant now) {
  const int fd = accept4(socket->listening(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      accept_at = now + accept_again_after;
    return;
  }
  displace();
  Connection& made = connections.emplace_back(fd);
  made.moved_at = now;
  made.deadline = now + options.request_timeout;
  if (may_command(fd)) return;
  made.last = true;
  reply(made, control_result(false, "only kferry's own user and root may give commands"), now);
}

// Makes room for one more connection.
void ControlServer::Loop::displace() {
  if (connections.size() < options.connections_max) return;
  connections.erase(std::ranges::min_element(connections, {}, &Connection::moved_at));
}

void ControlServer::Loop::on_ready(Connection& connection, Instant now) {
  write_some(connection, now);
  // Requests that came while an answer was being sent are answered before more is read.
  answer_requests(connection, now);
  if (!connection.writing() && !connection.closed) read_some(connection, now);
}

void ControlServer::Loop::read_some(Connection& connection, Instant now) {
  std::array<char, 4096> room{};
  const ssize_t got = recv(connection.fd, room.data(), room.size(), 0);
  if (got < 0) {
    connection.closed = errno != EAGAIN && errno != EINTR;
    return;
  }
  if (got == 0) {
    connection.closed = true;
    return;
  }
  connection.moved_at = now;
  connection.in.append(room.data(), static_cast<std::size_t>(got));
  answer_requests(connection, now);
}

void ControlServer::Loop::answer_requests(Connection& connection, Instant now) {
  // What a client sends while it follows waits.
  if (connection.following) connection.closed |= connection.in.size() > options.request_size_max;
  while (!connection.writing() && !connection.closed && !connection.last && !connection.following) {
    const std::size_t end = connection.in.find('\n');
    if (std::min(end, connection.in.size()) > options.request_size_max) {
      connection.last = true;
      return reply(connection, control_result(false, "the request is too long"), now);
    }
    if (end == std::string::npos) return;
    const std::string line = connection.in.substr(0, end);
    connection.in.erase(0, end + 1);
    ControlAnswer answer = answer_to(line);
    reply(connection, std::move(answer), monotonic_now());
  }
}

ControlAnswer ControlServer::Loop::answer_to(std::string_view line) const {
  const auto request = JsonObject::parse(line);
  if (!request) return control_result(false, "the request is not a flat JSON object on one line");
  if (request->number("v") != control_version)
    return control_result(false, "only version 1 of the protocol is known here: \"v\":1");
  try {
    return handler(*request);
  } catch (...) {
    return control_result(false, "the command failed for lack of memory");
  }
}

void ControlServer::Loop::reply(Connection& connection, ControlAnswer answer, Instant now) {
  KFERRY_ASSERT(!connection.writing());
  connection.out.clear();
  connection.sent = 0;
  connection.following = answer.empty() || !is_result(answer.back());
  for (JsonObject& line : answer) connection.out += line.set_number("v", control_version).to_string() + "\n";
  connection.moved_at = now;
  connection.deadline = now + options.request_timeout;
  write_some(connection, now);
}

void ControlServer::Loop::write_some(Connection& connection, Instant now) {
  if (!connection.writing()) return;
  while (connection.writing()) {
    const ssize_t put = send(connection.fd, connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      connection.closed = errno != EAGAIN;
      return;
    }
    connection.moved_at = now;
    connection.sent += static_cast<std::size_t>(put);
  }
  connection.out = {};
  connection.sent = 0;
  connection.deadline = connection.following ? Instant::max() : now + options.request_timeout;
  connection.closed = connection.last;
}

ControlServer::ControlServer(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

std::expected<std::unique_ptr<ControlServer>, std::string> ControlServer::start(
    std::optional<ControlSocket> socket, Handler handler, Task task, Options options) {
  auto loop = std::make_unique<Loop>(std::move(socket), std::move(handler), std::move(task), options);
  if (loop->wake < 0) return std::unexpected("cannot take commands: " + lack_text(errno));
  std::unique_ptr<ControlServer> server(new ControlServer(std::move(loop)));
  auto thread = start_thread([&running = *server->loop_] { running.run(); });
  if (!thread) return std::unexpected("cannot take commands: " + thread.error());
  server->thread_ = std::move(*thread);
  return server;
}

ControlServer::~ControlServer() {
  if (!thread_.joinable()) return;
  loop_->stop.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  KFERRY_ASSERT(write(loop_->wake, &one, sizeof one) == sizeof one);
  thread_.join();
}

void ControlServer::soon() {
  loop_->asked.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  // EAGAIN cannot happen: the counter is emptied at every turn, and whatever it holds wakes the thread.
  (void)!write(loop_->wake, &one, sizeof one);
}

void ControlServer::tell(JsonObject line) {
  {
    const std::scoped_lock lock(loop_->telling);
    loop_->told.push_back(std::move(line));
  }
  const std::uint64_t one = 1;
  (void)!write(loop_->wake, &one, sizeof one);  // as in soon()
}

ControlSocket* ControlServer::socket() {
  return loop_->socket ? &*loop_->socket : nullptr;
}

}  // namespace kferry::operations
