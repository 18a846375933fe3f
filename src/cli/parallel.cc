#include "cli/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "base/start_thread.h"

namespace kferry::cli {
namespace {

// The line is overwritten in place, and erased at the end.
class Progress {
 public:
  Progress(const std::string& what, std::size_t count)
      : what_(what), count_(count), shown_(isatty(STDERR_FILENO) == 1) {
    show();
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
  }

  void note_done() {
    const std::scoped_lock lock(mutex_);
    ++done_;
    show();
  }

 private:
  void show() const {
    if (shown_) std::fprintf(stderr, "\r\x1b[K%s: %zu of %zu", what_.c_str(), done_, count_);
  }

  const std::string& what_;
  const std::size_t count_;
  const bool shown_;
  std::mutex mutex_;
  std::size_t done_ = 0;
};

}  // namespace

void in_parallel(std::size_t count, const std::string& what, const std::function<void(std::size_t)>& job) {
  if (count == 0) return;
  std::fflush(stdout);
  Progress progress(what, count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      job(i);
      progress.note_done();
    }
  };
  std::vector<std::thread> threads;
  while (threads.size() + 1 < std::min(count, parallel_jobs_max)) {
    auto thread = start_thread(work);
    if (!thread) break;
    threads.push_back(std::move(*thread));
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace kferry::cli
