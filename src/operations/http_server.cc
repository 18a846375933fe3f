#include "operations/http_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <list>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "base/start_thread.h"

namespace kferry::operations {
namespace {

using std::chrono::milliseconds;

constexpr int backlog = 128;
// Connections accepted before the others get their turn.
constexpr int accepted_at_once = 16;
// Accepting is tried again after this when descriptors ran out.
constexpr milliseconds accept_again_after(100);
// Of what is dropped behind a request.
constexpr std::size_t dropped_max = std::size_t{4} * 1024 * 1024;

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

HttpReply error_reply(int status) {
  return {.status = status, .body = std::string(reason_of(status)) + "\n"};
}

// The socket, or a negative errno.
int open_listener(const SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd, address.get(), address.size()) == 0 && listen(fd, backlog) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

SocketAddress local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return {reinterpret_cast<const sockaddr*>(&storage), size};
}

enum class State : std::uint8_t { reading, writing, lingering, closed };

struct Connection {
  Connection(int socket, HttpPaths served, Instant now) : fd(socket), paths(served), moved_at(now) {}
  ~Connection() { close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  const HttpPaths paths;
  bool health = false;  // one of health_connections_max
  State state = State::reading;
  Instant deadline{};  // of the state
  Instant moved_at;    // when a byte last came or went
  std::string in{};
  std::string out{};
  std::size_t sent = 0;
  std::size_t dropped = 0;
};

}  // namespace

std::string http_response(const HttpReply& reply, HttpMethod method) {
  std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " " + std::string(reason_of(reply.status)) +
                    "\r\nContent-Type: " + reply.content_type +
                    "\r\nContent-Length: " + std::to_string(reply.body.size()) +
                    "\r\nCache-Control: no-store\r\nConnection: close\r\n";
  if (reply.status == 405) out += "Allow: GET, HEAD\r\n";
  out += "\r\n";
  if (method != HttpMethod::head) out += reply.body;
  return out;
}

struct HttpServer::Loop {
  Loop(std::vector<HttpBinding> wanted, Options limits)
      : bindings(std::move(wanted)), options(limits), stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Loop() {
    close_listeners();
    if (stop >= 0) close(stop);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();
  void close_listeners();
  std::vector<pollfd> interests(Instant now) const;
  int wait_ms(Instant now) const;
  void accept_from(int listener, Instant now);
  void displace(bool health, std::size_t limit);
  void on_ready(Connection& connection, Instant now);
  void read_head(Connection& connection, Instant now);
  void judge_head(Connection& connection, Instant now);
  void reply(Connection& connection, const HttpReply& reply, HttpMethod method, Instant now);
  void write_some(Connection& connection, Instant now);
  void drop_some(Connection& connection, Instant now);
  void on_deadline(Connection& connection, Instant now);

  std::vector<HttpBinding> bindings;  // with the ports that the kernel has chosen
  const Options options;
  const int stop;  // readable once the loop is to end, or to accept no more
  std::atomic<bool> ending = false;
  std::vector<int> listeners;
  Handler handler;
  std::list<Connection> connections;
  Instant accept_at{};  // not before
};

std::vector<pollfd> HttpServer::Loop::interests(Instant now) const {
  std::vector<pollfd> wanted{{stop, POLLIN, 0}};
  for (const int fd : listeners) wanted.push_back({now < accept_at ? -1 : fd, POLLIN, 0});
  for (const Connection& one : connections)
    wanted.push_back({one.fd, static_cast<short>(one.state == State::writing ? POLLOUT : POLLIN), 0});
  return wanted;
}

int HttpServer::Loop::wait_ms(Instant now) const {
  Instant next = now < accept_at ? accept_at : Instant::max();
  for (const Connection& one : connections) next = std::min(next, one.deadline);
  if (next == Instant::max()) return -1;
  const auto left = std::chrono::ceil<milliseconds>(next - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void HttpServer::Loop::close_listeners() {
  for (const int fd : listeners) close(fd);
  listeners.clear();
}

void HttpServer::Loop::run() {
  for (;;) {
    Instant now = monotonic_now();
    std::vector<pollfd> wanted = interests(now);
    if (poll(wanted.data(), static_cast<nfds_t>(wanted.size()), wait_ms(now)) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    now = monotonic_now();
    if (wanted.front().revents != 0) {
      std::uint64_t times = 0;
      if (ending || read(stop, &times, sizeof times) < 0) return;
      close_listeners();
      continue;
    }
    std::size_t at = 1 + listeners.size();
    for (Connection& one : connections) {
      if (wanted[at++].revents != 0) on_ready(one, now);
      if (one.state != State::closed && now >= one.deadline) on_deadline(one, now);
    }
    std::erase_if(connections, [](const Connection& one) { return one.state == State::closed; });
    // Last, because accepting may displace connections.
    for (std::size_t i = 0; i < listeners.size(); ++i)
      if (wanted[1 + i].revents != 0) accept_from(listeners[i], now);
  }
}

void HttpServer::Loop::accept_from(int listener, Instant now) {
  for (int i = 0; i < accepted_at_once; ++i) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        accept_at = now + accept_again_after;
      return;
    }
    const HttpPaths paths = http_paths_at(bindings, local_address(fd));
    const bool health = paths == only_health;
    displace(health, health ? options.health_connections_max : options.connections_max);
    Connection& made = connections.emplace_back(fd, paths, now);
    made.health = health;
    made.deadline = now + options.request_timeout;
    // The request has often arrived by now: a probe is answered before any other connection can displace it.
    on_ready(made, now);
    if (made.state == State::closed) connections.pop_back();
  }
}

// Makes room for one more connection of the kind.
void HttpServer::Loop::displace(bool health, std::size_t limit) {
  std::size_t count = 0;
  Connection* idlest = nullptr;
  for (Connection& one : connections) {
    if (one.health != health || one.state == State::closed) continue;
    ++count;
    if (idlest == nullptr || one.moved_at < idlest->moved_at) idlest = &one;
  }
  if (count < limit || idlest == nullptr) return;
  idlest->state = State::closed;
  // While connections are being served, the loop removes it.
  shutdown(idlest->fd, SHUT_RDWR);
}

void HttpServer::Loop::on_ready(Connection& connection, Instant now) {
  if (connection.state == State::reading) read_head(connection, now);
  if (connection.state == State::writing) write_some(connection, now);
  if (connection.state == State::lingering) drop_some(connection, now);
}

void HttpServer::Loop::read_head(Connection& connection, Instant now) {
  std::array<char, 2048> room{};
  while (connection.state == State::reading) {
    const ssize_t got = recv(connection.fd, room.data(), room.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) connection.state = State::closed;
      return;
    }
    // A client that has ended its side before its request was complete does not wait for an answer.
    if (got == 0) {
      connection.state = State::closed;
      return;
    }
    connection.moved_at = now;
    connection.in.append(room.data(), static_cast<std::size_t>(got));
    judge_head(connection, now);
  }
}

void HttpServer::Loop::judge_head(Connection& connection, Instant now) {
  const std::optional<std::size_t> size = http_head_size(connection.in);
  if (size.value_or(connection.in.size()) > http_head_size_max)
    return reply(connection, error_reply(431), HttpMethod::get, now);
  if (!may_begin_http(connection.in)) return reply(connection, error_reply(400), HttpMethod::get, now);
  if (!size) return;
  const auto request = parse_http_head(std::string_view(connection.in).substr(0, *size));
  if (!request) return reply(connection, error_reply(request.error()), HttpMethod::get, now);
  if (is_health_path(request->path) && connection.paths.health && !connection.health) {
    displace(true, options.health_connections_max);
    connection.health = true;
  }
  HttpReply answer = error_reply(404);
  if (connection.paths.serves(request->path)) {
    try {
      answer = handler(*request);
    } catch (...) {
      answer = error_reply(500);  // out of memory
    }
  }
  reply(connection, answer, request->method, now);
}

void HttpServer::Loop::reply(Connection& connection, const HttpReply& reply, HttpMethod method, Instant now) {
  KFERRY_ASSERT(connection.state == State::reading);
  connection.out = http_response(reply, method);
  connection.in = {};
  connection.state = State::writing;
  connection.deadline = now + options.request_timeout;
}

void HttpServer::Loop::write_some(Connection& connection, Instant now) {
  while (connection.sent < connection.out.size()) {
    const ssize_t put = send(connection.fd, connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) connection.state = State::closed;
      return;
    }
    connection.moved_at = now;
    connection.sent += static_cast<std::size_t>(put);
  }
  shutdown(connection.fd, SHUT_WR);
  connection.out = {};
  connection.state = State::lingering;
  connection.deadline = now + options.linger_timeout;
}

void HttpServer::Loop::drop_some(Connection& connection, Instant now) {
  std::array<char, 16384> room{};
  for (int i = 0; i < accepted_at_once; ++i) {
    const ssize_t got = recv(connection.fd, room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got > 0) {
      connection.moved_at = now;
      connection.dropped += static_cast<std::size_t>(got);
    }
    if (got > 0 && connection.dropped <= dropped_max) continue;
    connection.state = State::closed;
    return;
  }
}

void HttpServer::Loop::on_deadline(Connection& connection, Instant now) {
  if (connection.state != State::reading || connection.in.empty()) {
    connection.state = State::closed;
    return;
  }
  reply(connection, error_reply(408), HttpMethod::get, now);
  on_ready(connection, now);
}

HttpServer::HttpServer(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::bind(std::vector<HttpBinding> bindings,
                                                                         Options options,
                                                                         HandedSockets* handed) {
  auto loop = std::make_unique<Loop>(std::move(bindings), options);
  if (loop->stop < 0) return std::unexpected(std::string("cannot serve HTTP: ") + std::strerror(errno));
  for (const SocketAddress& address : http_sockets(loop->bindings)) {
    const bool both_families = address.family() == AF_INET6 && address.is_wildcard();
    int fd = handed == nullptr ? -1 : handed->take(address, both_families);
    if (fd < 0) fd = open_listener(address);
    if (fd < 0)
      return std::unexpected("cannot serve HTTP on " + address.text() + ": " + listen_failure_text(-fd));
    loop->listeners.push_back(fd);
    for (HttpBinding& binding : loop->bindings)
      if (binding.address == address) binding.address = local_address(fd);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop)));
}

std::expected<void, std::string> HttpServer::start(Handler handler) {
  KFERRY_ASSERT(!thread_.joinable());
  loop_->handler = std::move(handler);
  auto thread = start_thread([this] { loop_->run(); });
  if (!thread) return std::unexpected("cannot serve HTTP: " + thread.error());
  thread_ = std::move(*thread);
  return {};
}

HttpServer::~HttpServer() {
  if (!thread_.joinable()) return;
  loop_->ending = true;
  stop_accepting();
  thread_.join();
}

void HttpServer::stop_accepting() {
  const std::uint64_t one = 1;
  KFERRY_ASSERT(write(loop_->stop, &one, sizeof one) == sizeof one);
}

const std::vector<int>& HttpServer::sockets() const {
  return loop_->listeners;
}

std::vector<SocketAddress> HttpServer::addresses() const {
  std::vector<SocketAddress> found;
  for (const int fd : loop_->listeners) found.push_back(local_address(fd));
  return found;
}

}  // namespace kferry::operations
