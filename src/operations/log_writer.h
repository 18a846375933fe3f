// Writes lines to a descriptor on a thread of its own, so that whatever reads the log slowly, or not at all, never
// makes the caller wait.
//
//   put() ─▶ queue, at most lines_max lines and bytes_max bytes ─▶ thread ─▶ poll, write ─▶ fd
//
// Order is kept. When the queue is full, the newest lines are dropped until half of it has been written; then
// `lost_line` tells how many, in their place. Lines that the descriptor refuses (a full disk, a reader that is gone)
// are dropped and counted in the same way. The descriptor is not made O_NONBLOCK, because it is shared with other
// processes: a pipe that others also fill may block the thread between poll and write, and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"

namespace kferry::operations {

class LogWriter {
 public:
  struct Options {
    int fd = 2;  // not closed
    // Where a full disk cuts a line short, its beginning is taken back from a regular file. For lines of at most
    // PIPE_BUF bytes, which pipes take whole.
    bool whole_lines = false;
    std::size_t lines_max = 4096;
    std::size_t bytes_max = std::size_t{1} << 20;
    // How long the destructor waits for the reader.
    Duration end_wait = std::chrono::seconds(2);
    // The line that reports lost lines. Called by put() and tick(), on their thread.
    std::function<std::string(std::uint64_t lost)> lost_line{};
  };

  // The error says what this host lacks.
  static std::expected<std::unique_ptr<LogWriter>, std::string> start(Options options);
  // Writes what is queued, for end_wait at most. What the reader has not taken by then is lost.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Takes a line with its line end. Any thread; waits for nothing but a short lock. Throws if memory is out, and then
  // the line counts as lost.
  void put(std::string line);
  // Reports lost lines once there is room. To be called about once a second.
  void tick();
  // Waits until every line put so far has been written or dropped; false: not in `wait`.
  bool flush(Duration wait);
  // The same for a process that is about to abort: takes no lock, because the failing thread may hold it.
  void flush_without_lock(Duration wait) const noexcept;
  // The number of lines dropped so far.
  std::uint64_t dropped() const;

 private:
  struct State;
  explicit LogWriter(std::shared_ptr<State> state);

  // Shared with the thread, which outlives the writer if a write() blocks at the end.
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace kferry::operations
