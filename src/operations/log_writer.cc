#include "operations/log_writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/host_lack.h"
#include "base/start_thread.h"

namespace kferry::operations {
namespace {

using std::chrono::milliseconds;

// How long the destructor waits for the thread after telling it to give up. Only a blocked write() takes longer.
constexpr milliseconds last_wait(100);
// A socket that has room, but less than one line, is tried again after this.
constexpr milliseconds short_pause(20);
// A descriptor without room is looked at again after this, since another file may have taken its number.
constexpr milliseconds long_pause(1'000);

struct Line {
  std::string text;
  std::uint64_t reports_lost = 0;  // 0: an ordinary line
};

}  // namespace

struct LogWriter::State {
  State(Options wanted, int give_up_event) : options(std::move(wanted)), give_up(give_up_event) {
    struct stat status{};
    is_socket = fstat(options.fd, &status) == 0 && S_ISSOCK(status.st_mode);
  }
  ~State() { close(give_up); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Any thread, with the mutex.
  bool has_room(std::size_t size) const {
    return queue.size() < options.lines_max && bytes + size <= options.bytes_max;
  }
  void enqueue(Line line);
  void report_lost();
  void count_lost(std::uint64_t lines) {
    lost_untold += lines;
    dropped.fetch_add(lines, std::memory_order_relaxed);
  }

  // The writing thread, without the mutex.
  void run();
  bool write_out(std::string_view text);
  bool take_back(std::size_t size) const;
  std::optional<std::size_t> write_some(std::string_view bytes_left);

  const Options options;
  const int give_up;  // an eventfd, readable once the writer is to wait no longer
  bool is_socket = false;

  std::mutex mutex;
  std::condition_variable changed;
  // Below: with the mutex.
  std::deque<Line> queue;
  std::size_t bytes = 0;
  bool overflowing = false;  // lines are dropped until half of the queue has been written
  bool ending = false;
  bool ended = false;
  bool writing = false;
  std::uint64_t lost_untold = 0;

  std::atomic<std::uint64_t> pending{0};  // queued, or being written
  std::atomic<std::uint64_t> dropped{0};

  std::string rest;  // the thread's: of a line that was written in part
};

void LogWriter::State::enqueue(Line line) {
  const std::size_t size = line.text.size();
  queue.push_back(std::move(line));
  bytes += size;
  pending.fetch_add(1, std::memory_order_relaxed);
}

void LogWriter::State::report_lost() {
  if (lost_untold == 0 || overflowing || !options.lost_line) return;
  Line line{options.lost_line(lost_untold), lost_untold};
  if (!has_room(line.text.size())) return;
  enqueue(std::move(line));
  lost_untold = 0;
}

void LogWriter::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return ending || !queue.empty(); });
    if (queue.empty()) break;
    const Line line = std::move(queue.front());
    queue.pop_front();
    bytes -= line.text.size();
    if (queue.size() <= options.lines_max / 2 && bytes <= options.bytes_max / 2) overflowing = false;
    writing = true;
    lock.unlock();
    const bool written = write_out(line.text);
    lock.lock();
    writing = false;
    if (!written && line.reports_lost > 0) lost_untold += line.reports_lost;
    if (!written && line.reports_lost == 0) count_lost(1);
    pending.fetch_sub(1, std::memory_order_release);
    if (queue.empty()) changed.notify_all();
  }
  ended = true;
  changed.notify_all();
}

// Completes the last line first. True once a part of `text` has been written: where an error stops it, its rest is
// tried again before the next line.
bool LogWriter::State::write_out(std::string_view text) {
  const auto write_rest = [this] {
    while (!rest.empty()) {
      const auto size = write_some(rest);
      if (!size) return false;
      rest.erase(0, *size);
    }
    return true;
  };
  if (!write_rest()) return false;
  const auto size = write_some(text);
  if (!size) return false;
  rest = text.substr(*size);
  if (write_rest() || !options.whole_lines || !take_back(text.size() - rest.size())) return true;
  rest.clear();
  return false;
}

// Removes the last `size` bytes that were written, unless another process has appended to the file since.
bool LogWriter::State::take_back(std::size_t size) const {
  struct stat status{};
  const off_t end = lseek(options.fd, 0, SEEK_CUR);
  if (fstat(options.fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != end) return false;
  return ftruncate(options.fd, end - static_cast<off_t>(size)) == 0;
}

// Waits for room as long as it takes. nullopt: the reader is gone (EPIPE), the disk is full, or the wait is over.
std::optional<std::size_t> LogWriter::State::write_some(std::string_view bytes_left) {
  bool pause = false;
  for (;;) {
    std::array<pollfd, 2> wanted{pollfd{give_up, POLLIN, 0}, pollfd{options.fd, POLLOUT, 0}};
    const int ready =
        poll(wanted.data(), pause ? 1 : 2, static_cast<int>((pause ? short_pause : long_pause).count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && !pause) continue;
    if (ready < 0 || wanted[0].revents != 0) return std::nullopt;
    const ssize_t sent =
        is_socket ? send(options.fd, bytes_left.data(), bytes_left.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                  : ::write(options.fd, bytes_left.data(), bytes_left.size());
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EINTR && errno != EAGAIN) return std::nullopt;
    pause = errno == EAGAIN;
  }
}

LogWriter::LogWriter(std::shared_ptr<State> state) : state_(std::move(state)) {}

std::expected<std::unique_ptr<LogWriter>, std::string> LogWriter::start(Options options) {
  const int give_up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (give_up < 0) return std::unexpected("the log cannot be written: " + lack_text(errno));
  std::unique_ptr<LogWriter> writer(new LogWriter(std::make_shared<State>(std::move(options), give_up)));
  auto thread = start_thread([state = writer->state_] { state->run(); });
  if (!thread) return std::unexpected("the log cannot be written: " + thread.error());
  writer->thread_ = std::move(*thread);
  return writer;
}

LogWriter::~LogWriter() {
  if (!thread_.joinable()) return;
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  try {
    state.overflowing = false;
    state.report_lost();
  } catch (...) {
    // Out of memory at the very end: the report is lost.
  }
  state.ending = true;
  state.changed.notify_all();
  const auto ended = [&state] { return state.ended; };
  if (!state.changed.wait_for(lock, state.options.end_wait, ended)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(state.give_up, &one, sizeof one);
    state.changed.wait_for(lock, last_wait, ended);
  }
  const bool joins = state.ended;
  lock.unlock();
  joins ? thread_.join() : thread_.detach();
}

void LogWriter::put(std::string line) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.report_lost();
  if (state.overflowing || !state.has_room(line.size())) {
    state.overflowing = true;
    state.count_lost(1);
    return;
  }
  state.enqueue({std::move(line)});
  state.changed.notify_all();
}

void LogWriter::tick() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.report_lost();
  state.changed.notify_all();
}

bool LogWriter::flush(Duration wait) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  return state.changed.wait_for(lock, wait, [&state] { return state.queue.empty() && !state.writing; });
}

void LogWriter::flush_without_lock(Duration wait) const noexcept {
  constexpr timespec millisecond{0, 1'000'000};
  const Instant until = monotonic_now() + wait;
  while (state_->pending.load(std::memory_order_acquire) > 0 && monotonic_now() < until)
    nanosleep(&millisecond, nullptr);
}

std::uint64_t LogWriter::dropped() const {
  return state_->dropped.load(std::memory_order_relaxed);
}

}  // namespace kferry::operations
