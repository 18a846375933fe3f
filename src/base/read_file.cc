#include "base/read_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/limits.h"

namespace kferry {
namespace {

class Open {
 public:
  // O_NONBLOCK: opening a pipe does not wait for its writer, nor does reading wait for its bytes.
  explicit Open(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<ReadFailure> failed(int error) {
  return std::unexpected(ReadFailure{error, std::strerror(error)});
}

std::unexpected<ReadFailure> refused(std::string why) {
  return std::unexpected(ReadFailure{0, std::move(why)});
}

// Grown by hand, so that no copy of a secret stays behind.
void append(Bytes& whole, std::span<const std::byte> more) {
  if (whole.capacity() < whole.size() + more.size()) {
    Bytes larger;
    larger.reserve(std::max(2 * whole.capacity(), whole.size() + more.size()));
    larger.assign(whole.begin(), whole.end());
    wipe(whole);
    whole.swap(larger);
  }
  whole.insert(whole.end(), more.begin(), more.end());
}

std::string size_text(std::size_t size) {
  return size % MiB == 0 ? std::to_string(size / MiB) + " MiB" : std::to_string(size) + " bytes";
}

}  // namespace

bool is_pipe(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

std::expected<Bytes, ReadFailure> read_file(const std::string& path, std::size_t size_max,
                                            Duration patience) {
  const Open file(path);
  if (file.fd() < 0) return failed(errno);
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) return failed(errno);
  if (S_ISDIR(status.st_mode)) return failed(EISDIR);
  const bool pipe = S_ISFIFO(status.st_mode);
  const Instant until = monotonic_now() + patience;

  Bytes whole;
  std::array<std::byte, 16 * KiB> block;
  const auto give_up = [&](std::unexpected<ReadFailure> failure) {
    wipe(block);
    wipe(whole);
    return failure;
  };
  for (;;) {
    const ssize_t got = ::read(file.fd(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      if (!pipe) return give_up(refused("is a device or terminal with nothing to read: name a file"));
      const Duration left = until - monotonic_now();
      pollfd readable{file.fd(), POLLIN, 0};
      const int wait = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
      if (left <= Duration::zero() || ::poll(&readable, 1, wait) == 0) {
        return give_up(refused("is a pipe whose writer did not finish in " +
                               std::to_string(patience / std::chrono::seconds(1)) +
                               " s: name a file, or write faster"));
      }
      continue;
    }
    if (got < 0) return give_up(failed(errno));
    if (got == 0) break;
    const std::span more(block.data(), static_cast<std::size_t>(got));
    if (whole.size() + more.size() > size_max)
      return give_up(refused("is larger than " + size_text(size_max) + ": correct the path"));
    append(whole, more);
  }
  wipe(block);
  if (pipe && whole.empty())
    return refused("is a pipe that no process writes to: name a file, or start the writer first");
  return whole;
}

}  // namespace kferry
