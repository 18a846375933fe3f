#include "operations/control_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/host_lack.h"

namespace kferry::operations {
namespace {

constexpr int backlog = 128;
constexpr mode_t owner_only = 0600;

std::string failure_at(const std::string& path, int error) {
  std::string text = path + ": " + lack_text(error);
  if (error == ENOENT)
    text += ": create its directory (RuntimeDirectory= in the unit), or set control in [operations]";
  if (error == EACCES || error == EPERM || error == EROFS)
    text += ": let kferry's user write to its directory, or set control in [operations]";
  return text;
}

// What a look at the path finds.
enum class Found : std::uint8_t { nothing, dead_socket, live_socket, other_file };

Found look_at(const sockaddr_un& address) {
  struct stat file{};
  if (lstat(address.sun_path, &file) != 0) return Found::nothing;
  if (!S_ISSOCK(file.st_mode)) return Found::other_file;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Found::live_socket;
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  close(fd);
  // EAGAIN is a full backlog; whatever else is unclear counts as alive.
  return !connected && error == ECONNREFUSED ? Found::dead_socket : Found::live_socket;
}

// The listening socket, or a negative errno.
int listen_at(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // The mode of an unbound socket becomes that of its file, less the umask: at no time can others connect.
  if (fchmod(fd, owner_only) == 0 &&
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, backlog) == 0)
    return fd;
  const int error = errno;
  close(fd);
  return -error;
}

}  // namespace

ControlSocket::ControlSocket(std::string path, int listening, int lock)
    : path_(std::move(path)), listening_(listening), lock_(lock) {
  struct stat file{};
  if (lstat(path_.c_str(), &file) != 0) return;
  device_ = file.st_dev;
  inode_ = file.st_ino;
}

std::expected<ControlSocket, std::string> ControlSocket::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.front() != '/' || path.size() >= sizeof address.sun_path)
    return std::unexpected(path + ": the path of a socket is absolute and shorter than " +
                           std::to_string(sizeof address.sun_path) + " bytes: set control in [operations]");
  path.copy(address.sun_path, path.size());
  const int lock = ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, owner_only);
  if (lock < 0) return std::unexpected(failure_at(path, errno));
  const auto refuse = [&](std::string why) {
    close(lock);
    return std::unexpected(std::move(why));
  };
  if (flock(lock, LOCK_EX | LOCK_NB) != 0)
    return refuse(path + ": another kferry serves it: set control in [operations] to a path of its own");
  switch (look_at(address)) {
    case Found::live_socket:
      return refuse(path + ": another process listens there: set control in [operations] to another path");
    case Found::other_file:
      return refuse(path + ": is not a socket: remove it, or set control in [operations] to another path");
    case Found::dead_socket:
      unlink(address.sun_path);
      break;
    case Found::nothing:
      break;
  }
  const int listening = listen_at(address);
  if (listening < 0) return refuse(failure_at(path, -listening));
  return ControlSocket(path, listening, lock);
}

ControlSocket ControlSocket::adopt(const std::string& path, int listening, int lock) {
  return {path, listening, lock};
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : path_(std::move(other.path_)),
      listening_(std::exchange(other.listening_, -1)),
      lock_(std::exchange(other.lock_, -1)),
      device_(std::exchange(other.device_, 0)),
      inode_(other.inode_) {}

ControlSocket& ControlSocket::operator=(ControlSocket&& other) noexcept {
  if (this == &other) return *this;
  close_all();
  path_ = std::move(other.path_);
  listening_ = std::exchange(other.listening_, -1);
  lock_ = std::exchange(other.lock_, -1);
  device_ = std::exchange(other.device_, 0);
  inode_ = other.inode_;
  return *this;
}

ControlSocket::~ControlSocket() {
  close_all();
}

// The lock last, so that no other process opens the path in between.
void ControlSocket::close_all() noexcept {
  if (listening_ < 0) return;
  struct stat file{};
  if (device_ != 0 && lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == inode_)
    unlink(path_.c_str());
  close(listening_);
  if (lock_ >= 0) close(lock_);
  listening_ = -1;
  lock_ = -1;
}

}  // namespace kferry::operations
