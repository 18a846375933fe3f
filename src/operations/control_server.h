// Serves the control socket on one thread of its own, and never on a worker's: one JSON object a line (json_object.h),
// version 1.
//
//   client:  {"v":1,"command":"reload","dry_run":true}
//   kferry:  {"v":1,"type":"change","text":"…"}              any number of lines, as the command has to say
//            {"v":1,"ok":true,"text":"…","type":"result"}    one line at last
//
// A connection may send several requests; each is answered before the next is read. An answer without a result lets the
// connection follow what is told later (tell()), until a result is told. The client must run as kferry's
// user or as root (SO_PEERCRED). What a client does costs it its own connection and nothing else:
//
//   a request has at most request_size_max bytes, and is complete within request_timeout of the one before
//   an answer must be taken within request_timeout
//   one that follows has at most backlog_max bytes to take
//   of connections_max connections, the one that has been idle for longest is closed for a new one
//
// The thread also performs what other threads ask it for (soon()), so that commands and signals never run beside each
// other. A command may take long; other clients wait.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "operations/control_socket.h"
#include "operations/json_object.h"

namespace kferry::operations {

inline constexpr std::int64_t control_version = 1;

// An answer's lines. The last one is its result, unless the client follows.
using ControlAnswer = std::vector<JsonObject>;
ControlAnswer control_result(bool ok, std::string_view text);

class ControlServer {
 public:
  struct Options {
    Duration request_timeout = std::chrono::seconds(30);
    std::size_t connections_max = 16;
    std::size_t request_size_max = std::size_t{4} * 1024;
    std::size_t backlog_max = std::size_t{64} * 1024;
  };
  // Both are called on the server's thread. A request is an object of version 1.
  using Handler = std::function<ControlAnswer(const JsonObject& request)>;
  using Task = std::function<void()>;

  // `socket`: null if only soon() is used. The error names what the host lacks.
  static std::expected<std::unique_ptr<ControlServer>, std::string> start(std::optional<ControlSocket> socket,
                                                                          Handler handler, Task task,
                                                                          Options options);
  static std::expected<std::unique_ptr<ControlServer>, std::string> start(std::optional<ControlSocket> socket,
                                                                          Handler handler, Task task) {
    return start(std::move(socket), std::move(handler), std::move(task), Options{});
  }
  // Ends every connection and the thread, after the command in progress and what was told before.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Any thread: the task runs soon. Calls before it has begun count as one.
  void soon();
  // Any thread: a line for every client that follows, by now or by the command in progress.
  void tell(JsonObject line);
  // nullptr: it has none.
  ControlSocket* socket();

 private:
  struct Loop;
  explicit ControlServer(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace kferry::operations
