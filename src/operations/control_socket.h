// The listening Unix socket that operators' commands arrive at. Its path belongs to one process at a time:
//
//   a lock file beside the path (PATH.lock) is locked for as long as the socket is served, and stays behind;
//   a socket that somebody listens on is never removed, a dead one is replaced;
//   at the end the path is removed, unless it has become another file by then.
//
// The socket's mode is 0600, and every connection is asked for its user besides (operations/control_server.h).
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

namespace kferry::operations {

class ControlSocket {
 public:
  // Listens at `path`. The error says what is in the way and what to do; nothing has changed then.
  static std::expected<ControlSocket, std::string> open(const std::string& path);
  // Serves what another process has opened: its listening socket, and the descriptor that holds its lock. Takes over
  // both.
  static ControlSocket adopt(const std::string& path, int listening, int lock);

  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&& other) noexcept;
  ~ControlSocket();

  const std::string& path() const { return path_; }
  int listening() const { return listening_; }
  int lock() const { return lock_; }
  // Another process serves the path from now on: the end of this socket leaves it in place.
  void leave_in_place() { device_ = 0; }

 private:
  ControlSocket(std::string path, int listening, int lock);
  void close_all() noexcept;

  std::string path_;
  int listening_ = -1;
  int lock_ = -1;
  // Of the socket's file, by which it is recognised at the end. A device of 0: the path is left in place.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace kferry::operations
