#include "operations/audit_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace kferry::operations {
namespace {

struct Opened {
  int fd = -1;
  bool refuses = false;
};

// O_NONBLOCK: neither opening nor writing ever waits for the reader of a FIFO.
std::expected<Opened, int> open_by_name(const std::string& path) {
  constexpr mode_t mode = 0640;
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
  if (fd >= 0) return Opened{fd, false};
  if (errno != ENXIO) return std::unexpected(errno);
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return std::unexpected(errno);
  close(ends[0]);
  return Opened{ends[1], true};
}

}  // namespace

std::expected<AuditFile, int> AuditFile::open(std::string path) {
  const auto opened = open_by_name(path);
  if (!opened) return std::unexpected(opened.error());
  return AuditFile(std::move(path), opened->fd, opened->refuses);
}

AuditFile::AuditFile(AuditFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), refuses_(other.refuses_) {}

AuditFile::~AuditFile() {
  if (fd_ >= 0) close(fd_);
}

int AuditFile::reopen() {
  const auto opened = open_by_name(path_);
  if (!opened) return opened.error();
  const int error = dup3(opened->fd, fd_, O_CLOEXEC) < 0 ? errno : 0;
  if (error == 0) refuses_ = opened->refuses;
  close(opened->fd);
  return error;
}

}  // namespace kferry::operations
