#include "operations/log_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace kferry::operations {

LogFile::LogFile(int fd) : fd_(fd) {
  struct stat open_file{};
  if (fstat(fd, &open_file) != 0 || !S_ISREG(open_file.st_mode)) return;
  std::array<char, PATH_MAX> name{};
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name.data(), name.size());
  if (size <= 0) return;
  std::string path(name.data(), static_cast<std::size_t>(size));
  // A file without a name shows as "… (deleted)".
  struct stat named{};
  if (stat(path.c_str(), &named) != 0 || named.st_dev != open_file.st_dev || named.st_ino != open_file.st_ino)
    return;
  mode_ = open_file.st_mode & 0777U;
  path_ = std::move(path);
}

LogFile::Reopened LogFile::reopen() const {
  const int opened = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode_);
  if (opened < 0) return {errno};
  struct stat now{};
  struct stat before{};
  const bool another = fstat(opened, &now) != 0 || fstat(fd_, &before) != 0 || now.st_dev != before.st_dev ||
                       now.st_ino != before.st_ino;
  // Standard streams stay open in what kferry starts.
  const int error = another && dup3(opened, fd_, fd_ <= STDERR_FILENO ? 0 : O_CLOEXEC) < 0 ? errno : 0;
  close(opened);
  return {error, another && error == 0};
}

}  // namespace kferry::operations
