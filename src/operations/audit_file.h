// The file or FIFO that audit records go to, by its name: opened at the start, and again after a rotation. Its
// descriptor keeps its number, so that a thread that writes to it needs no news of that.
//
// A FIFO that has no reader cannot be opened for writing. Until one comes, the descriptor is that of a pipe that
// refuses every byte with EPIPE.
#pragma once

#include <expected>
#include <string>

namespace kferry::operations {

class AuditFile {
 public:
  // Appends; a new file has mode 0640. `path` is absolute. The error is one of errno.
  static std::expected<AuditFile, int> open(std::string path);
  AuditFile(AuditFile&& other) noexcept;
  AuditFile& operator=(AuditFile&&) = delete;
  ~AuditFile();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  // It is a FIFO without a reader: reopen() may find one.
  bool refuses() const { return refuses_; }
  // Opens the name again, made if need be. The error is one of errno: the descriptor is as it was.
  int reopen();

 private:
  AuditFile(std::string path, int fd, bool refuses) : path_(std::move(path)), fd_(fd), refuses_(refuses) {}

  std::string path_;
  int fd_;
  bool refuses_;
};

}  // namespace kferry::operations
