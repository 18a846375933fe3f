#include "base/last_words.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
namespace kferry {
namespace {

constexpr int patience_ms = 200;

std::atomic<void (*)() noexcept> flush_log{nullptr};
std::atomic<bool> as_json{false};
std::atomic<bool> with_prefix{false};

}  // namespace

void set_flush_before_last_words(void (*flush)() noexcept) {
  flush_log = flush;
}

void set_form_of_last_words(bool json, bool journal_prefix) {
  as_json = json;
  with_prefix = journal_prefix;
}

void last_words(std::string_view text) noexcept {
  // Once: a second failing thread does not wait for the first.
  if (auto* const flush = flush_log.exchange(nullptr)) flush();
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (poll(&ready, 1, patience_ms) <= 0) return;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

void end_process(std::string_view cause, std::string_view text) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> when{};
  strftime(when.data(), when.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 768> shown{};
  const std::size_t shown_size = std::min(text.size(), shown.size());
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(shown_size), shown.begin(),
                 [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c; });
  std::array<char, 1024> line{};
  const int size =
      std::snprintf(line.data(), line.size(),
                    as_json ? R"(%s{"time":"%s.%03dZ","level":"error","cause":"%.*s","text":"%.*s"})"
                              "\n"
                            : "%s%s.%03dZ level=error cause=%.*s \"%.*s\"\n",
                    with_prefix ? "<3>" : "", when.data(), static_cast<int>(now.tv_nsec / 1'000'000),
                    static_cast<int>(cause.size()), cause.data(), static_cast<int>(shown_size), shown.data());
  if (size > 0) last_words({line.data(), std::min(static_cast<std::size_t>(size), line.size() - 1)});
  ::_exit(1);
}

void explain_uncaught_exceptions() {
  std::set_terminate([] {
    try {
      if (const std::exception_ptr uncaught = std::current_exception()) std::rethrow_exception(uncaught);
    } catch (const std::bad_alloc&) {
      end_process("out_of_memory",
                  "kferry ends, because a thread got no memory: raise the limit of the container or the unit "
                  "(MemoryMax=), or lower workers and receive_buffers in [engine]");
    } catch (const std::exception& error) {
      end_process("uncaught_failure", error.what());
    } catch (...) {
      end_process("uncaught_failure",
                  "kferry ends, because of a failure of an unknown kind: please report it");
    }
    last_words("kferry: bug: terminated without an exception\n");
    std::abort();
  });
}

}  // namespace kferry
