#include "operations/http_server.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(const SocketAddress& to) : fd_(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(fd_ >= 0);
    REQUIRE(connect(fd_, to.get(), to.size()) == 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  // What a closed connection does not take is lost.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  // Everything until the end of the connection; "reset" behind it if that is how it ended.
  std::string rest() {
    std::string all;
    std::array<char, 4096> part{};
    for (;;) {
      const ssize_t got = recv(fd_, part.data(), part.size(), 0);
      if (got < 0) return all + (errno == ECONNRESET ? "reset" : "error");
      if (got == 0) return all;
      all.append(part.data(), static_cast<std::size_t>(got));
    }
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return rest();
  }
  bool has_ended() const {
    pollfd one{fd_, POLLIN | POLLRDHUP, 0};
    return poll(&one, 1, 0) > 0;
  }

 private:
  const int fd_;
};

SocketAddress loopback(const char* literal = "127.0.0.1") {
  return *SocketAddress::parse(literal, 0);
}

HttpReply name_path(const HttpRequest& request) {
  return {.body = "path " + request.path + "\n"};
}

std::unique_ptr<HttpServer> serve(HttpServer::Options options = {}, HttpPaths paths = all_http_paths,
                                  HttpServer::Handler handler = name_path) {
  auto server = HttpServer::bind({{loopback(), paths}}, options);
  REQUIRE(server);
  REQUIRE((*server)->start(std::move(handler)));
  return std::move(*server);
}

std::string status_of(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}
std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

constexpr std::string_view metrics = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view live = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_CASE("a request is answered, and the connection ends in order") {
  const auto server = serve();
  const std::string answer = Client(server->addresses().front()).ask(metrics);
  CHECK(status_of(answer) == "HTTP/1.1 200 OK");
  CHECK(answer.find("Content-Length: 14\r\n") != std::string::npos);
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  CHECK(body_of(answer) == "path /metrics\n");
}

TEST_CASE("HEAD has the headers of GET and no body") {
  const auto server = serve();
  const std::string answer =
      Client(server->addresses().front()).ask("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(answer) == "HTTP/1.1 200 OK");
  CHECK(answer.find("Content-Length: 14\r\n") != std::string::npos);
  CHECK(body_of(answer).empty());
}

TEST_CASE("hostile requests are answered or closed") {
  const auto server = serve();
  const SocketAddress to = server->addresses().front();
  CHECK(status_of(Client(to).ask("GET / HTTP/1.1\r\n\r\n")) == "HTTP/1.1 400 Bad Request");
  CHECK(status_of(Client(to).ask("\x16\x03\x01\x02\x00")) == "HTTP/1.1 400 Bad Request");
  CHECK(status_of(Client(to).ask(std::string_view("\0\0\0\x20\0\x12", 6))) == "HTTP/1.1 400 Bad Request");
  const std::string refused = Client(to).ask("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(refused) == "HTTP/1.1 405 Method Not Allowed");
  CHECK(refused.find("Allow: GET, HEAD\r\n") != std::string::npos);
  // Pipelined requests: the first one is answered, the others are dropped without a reset.
  std::string many;
  for (int i = 0; i < 100; ++i) many += metrics;
  const std::string answer = Client(to).ask(many);
  CHECK(body_of(answer) == "path /metrics\n");
}

TEST_CASE("a head of a megabyte is refused, and its sender reads why") {
  const auto server = serve();
  const std::string answer =
      Client(server->addresses().front())
          .ask("GET / HTTP/1.1\r\nHost: " + std::string(1024 * 1024, 'a') + "\r\n\r\n");
  CHECK(status_of(answer) == "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST_CASE("a head of exactly the limit is served, one byte more is not") {
  const auto server = serve();
  const std::string front = "GET / HTTP/1.1\r\nHost: ";
  const std::string fits(http_head_size_max - front.size() - 4, 'a');
  const SocketAddress to = server->addresses().front();
  CHECK(status_of(Client(to).ask(front + fits + "\r\n\r\n")) == "HTTP/1.1 200 OK");
  CHECK(status_of(Client(to).ask(front + fits + "a\r\n\r\n")) ==
        "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST_CASE("a request that takes too long is told so, and silence is closed") {
  const auto server = serve({.request_timeout = 50ms});
  const SocketAddress to = server->addresses().front();
  CHECK(status_of(Client(to).ask("GET / HT")) == "HTTP/1.1 408 Request Timeout");
  CHECK(Client(to).rest().empty());
}

TEST_CASE("an answer that is not taken does not stay") {
  const auto server = serve({.request_timeout = 50ms}, all_http_paths, [](const HttpRequest&) {
    return HttpReply{.body = std::string(64 * 1024 * 1024, 'x')};
  });
  Client slow(server->addresses().front());
  slow.send(metrics);
  // Later than the request of the first, so that its time has passed when this one's has.
  Client later(server->addresses().front());
  CHECK(later.rest().empty());
  CHECK(slow.rest().size() < std::size_t{64} * 1024 * 1024);
}

TEST_CASE("when the connections are full, the one idle for longest makes room") {
  const auto server = serve({.connections_max = 4});
  const SocketAddress to = server->addresses().front();
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(std::make_unique<Client>(to));
    idle.back()->send("G");
  }
  CHECK(body_of(Client(to).ask(metrics)) == "path /metrics\n");
  for (int i = 0; i < 190; ++i)
    CHECK(idle[static_cast<std::size_t>(i)]->rest().find("200") == std::string::npos);
  CHECK_FALSE(idle.back()->has_ended());
  CHECK(body_of(idle.back()->ask("ET /last HTTP/1.1\r\nHost: a\r\n\r\n")) == "path /last\n");
}

TEST_CASE("health requests have connections of their own") {
  // Lingering connections stay, so that each takes its place.
  const auto server = serve({.linger_timeout = 1h, .connections_max = 2, .health_connections_max = 2});
  const SocketAddress to = server->addresses().front();
  Client first(to);
  first.send(live);
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(std::make_unique<Client>(to));
    others.back()->send(metrics);
  }
  CHECK(body_of(first.rest()) == "path /health/live\n");
  CHECK(body_of(Client(to).ask(live)) == "path /health/live\n");
  for (const auto& other : others) other->rest();
}

TEST_CASE("an address serves its own paths alone") {
  const auto server = serve({}, only_health);
  const SocketAddress to = server->addresses().front();
  CHECK(status_of(Client(to).ask(live)) == "HTTP/1.1 200 OK");
  CHECK(status_of(Client(to).ask(metrics)) == "HTTP/1.1 404 Not Found");
}

TEST_CASE("a handler that fails is a server error, and the next request is served") {
  const auto server = serve({}, all_http_paths, [](const HttpRequest& request) {
    if (request.path == "/bad") throw std::bad_alloc();
    return name_path(request);
  });
  const SocketAddress to = server->addresses().front();
  CHECK(status_of(Client(to).ask("GET /bad HTTP/1.0\r\n\r\n")) == "HTTP/1.1 500 Internal Server Error");
  CHECK(body_of(Client(to).ask("GET / HTTP/1.0\r\n\r\n")) == "path /\n");
}

TEST_CASE("an address that is taken is named with a remedy") {
  const auto server = serve();
  const auto second = HttpServer::bind({{server->addresses().front(), all_http_paths}});
  REQUIRE_FALSE(second);
  CHECK(second.error().find(server->addresses().front().text()) != std::string::npos);
  CHECK(second.error().find("another process listens there") != std::string::npos);
}

}  // namespace
}  // namespace kferry::operations
