// A folder of its own for a control socket, and a client of it.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace kferry::operations {

struct ControlFolder {
  ControlFolder() {
    std::array<char, 32> name{"/tmp/kferry-control-XXXXXX"};
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = std::string(name.data()) + "/control.sock";
  }
  ~ControlFolder() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }
  ControlFolder(const ControlFolder&) = delete;
  ControlFolder& operator=(const ControlFolder&) = delete;

  std::string path;
};

// A connected socket; -1: there is no listener.
inline int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

inline void send_text(int fd, std::string_view text) {
  REQUIRE(send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

// Everything up to `lines` line ends, or to the end of the stream.
inline std::string read_lines(int fd, int lines) {
  std::string text;
  char byte = 0;
  while (lines > 0 && recv(fd, &byte, 1, 0) == 1) {
    text += byte;
    if (byte == '\n') --lines;
  }
  return text;
}

}  // namespace kferry::operations
