// Serves GET and HEAD for the operations team, on one thread of its own, and never on a worker's.
//
//   accepted ─▶ reading ──head complete, or wrong──▶ writing ─▶ lingering ─▶ closed
//                  └───── 5 s, or displaced ────────────┴──────────┴──────────▲
//
// One request per connection: the answer says `Connection: close`, and what follows the request is read and dropped for
// a moment, because closing a socket with unread bytes sends a reset that can destroy the answer. Whatever a client
// does costs it its own connection and nothing else:
//
//   a head may have http_head_size_max bytes (431), and must be complete request_timeout after the accept (408)
//   an answer must be taken within request_timeout
//   of connections_max connections, the one that has been idle for longest is closed for a new one
//   health_connections_max more are for health paths: a connection becomes one of these with its request, or at once
//   where its address serves nothing else, so that no client elsewhere can starve a liveness probe
//
// Written here, and not with libevent's evhttp, because each of these rules needs the single connection: evhttp neither
// limits connections, nor says which of them is idle, nor tells a health request before it is complete. What remains to
// be written is a poll() loop over fewer than a hundred sockets, and a parser for a head without a body.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/handed_sockets.h"
#include "operations/http_binding.h"
#include "operations/http_request.h"

namespace kferry::operations {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// "HTTP/1.1 200 OK", headers and body; without the body for HEAD.
std::string http_response(const HttpReply& reply, HttpMethod method);

class HttpServer {
 public:
  struct Options {
    Duration request_timeout = std::chrono::seconds(5);
    Duration linger_timeout = std::chrono::seconds(1);
    std::size_t connections_max = 64;
    std::size_t health_connections_max = 16;
  };
  // Called on the server's thread for each whole request that its address serves.
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  // Binds every address of `bindings`, so that connections queue from now on. The error names the address, the reason
  // and the remedy.
  // A socket that `handed` has, unless null, is taken over instead.
  static std::expected<std::unique_ptr<HttpServer>, std::string> bind(std::vector<HttpBinding> bindings,
                                                                      Options options,
                                                                      HandedSockets* handed = nullptr);
  static std::expected<std::unique_ptr<HttpServer>, std::string> bind(std::vector<HttpBinding> bindings,
                                                                      HandedSockets* handed = nullptr) {
    return bind(std::move(bindings), Options{}, handed);
  }
  // Begins to serve. Once. The error names what the host lacks.
  std::expected<void, std::string> start(Handler handler);
  // Once started: closes the listening sockets, soon, because another process has them. Connections are served to
  // their end.
  void stop_accepting();
  // Ends every connection and the thread.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The local addresses of the listening sockets.
  std::vector<SocketAddress> addresses() const;
  // The listening sockets, which stay the server's.
  const std::vector<int>& sockets() const;

 private:
  struct Loop;
  explicit HttpServer(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace kferry::operations
