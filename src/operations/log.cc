#include "operations/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/counted.h"

namespace kferry::operations {
namespace {

// A pipe that polls as writable takes this much atomically (PIPE_BUF), so lines of other processes do not mix with
// ours.
constexpr std::size_t line_size_max = 4096;
constexpr std::size_t cause_size_max = 64;
constexpr std::size_t subject_size_max = 256;
static_assert(4 * (cause_size_max + subject_size_max) + 256 < line_size_max);

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "info";
    case Severity::debug:
      return "debug";
  }
  return "unknown";
}

// Syslog's numbers, in the form of sd-daemon(3).
std::string_view journal_prefix(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "<3>";
    case Severity::warning:
      return "<4>";
    case Severity::info:
      return "<6>";
    case Severity::debug:
      return "<7>";
  }
  return "<6>";
}

// The size of the well-formed printable UTF-8 sequence at `at`; 0 if there is none. Not printable: C1 controls
// (U+0080..9F); the separators U+2028/2029, which some viewers take for line ends; and the marks that change the
// direction of text (U+202A..202E, U+2066..2069), which can make a line read as another.
std::size_t printable_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  std::size_t size = 0;
  std::uint32_t point = 0;
  std::uint32_t least = 0;
  if ((first & 0xE0) == 0xC0) {
    size = 2, point = first & 0x1F, least = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    size = 3, point = first & 0x0F, least = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    size = 4, point = first & 0x07, least = 0x10000;
  } else {
    return 0;
  }
  if (at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
    point = (point << 6) | (byte(at + i) & 0x3FU);
  }
  if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return 0;
  if (point < 0xA0 || (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069)) return 0;
  return size;
}

void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++i;
    } else if (const std::size_t size = printable_size(text, i); size > 0) {
      out += text.substr(i, size);
      i += size;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      ++i;
    } else {
      static constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
      ++i;
    }
  }
}

bool needs_quotes(std::string_view text) {
  return text.empty() || !std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("._-:/[]%@+,").find(c) != std::string_view::npos;
         });
}

void append_value(std::string& out, std::string_view text) {
  out += needs_quotes(text) ? quoted(text) : text;
}

std::string timestamp(std::chrono::system_clock::time_point at) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch());
  const time_t seconds = static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(since).count());
  const auto milliseconds = static_cast<int>((since % 1000).count());
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const int more = std::snprintf(text.data() + size, text.size() - size, ".%03dZ", milliseconds);
  return {text.data(), size + static_cast<std::size_t>(more)};
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  out += '"';
  return out;
}

// Everything behind the mutex. A pair's window lasts 60 s from its first line. windows_ is in the order of their ends,
// because all are equally long; uses_ is in the order of last use.
class Log::Writer {
 public:
  explicit Writer(LogOptions options) : options_(std::move(options)) {
    if (!options_.wall_clock) options_.wall_clock = [] { return std::chrono::system_clock::now(); };
    if (!options_.clock) options_.clock = monotonic_now;
    options_.burst = std::max<std::uint32_t>(options_.burst, 1);
    options_.pairs_max = std::max<std::size_t>(options_.pairs_max, 1);
    struct stat status{};
    is_socket_ = fstat(options_.fd, &status) == 0 && S_ISSOCK(status.st_mode);
  }

  void write(const LogEvent& event) {
    if (event.severity > options_.threshold) return;
    const std::lock_guard lock(mutex_);
    const Instant now = options_.clock();
    end_windows(now);
    const std::string_view cause = event.cause.substr(0, cause_size_max);
    const std::string_view subject = event.subject.substr(0, subject_size_max);
    std::string key;
    key.reserve(cause.size() + 1 + subject.size());
    key.append(cause).append(1, '\0').append(subject);
    const auto known = pairs_.find(key);
    if (known != pairs_.end()) {
      Pair& pair = *known->second;
      uses_.splice(uses_.begin(), uses_, known->second);
      if (pair.written >= options_.burst) {
        ++pair.more;
        pair.severity = std::min(pair.severity, event.severity);
        return;
      }
      ++pair.written;
    } else {
      if (pairs_.size() >= options_.pairs_max) forget(std::prev(uses_.end()), now);
      uses_.push_front({.key = key, .cause_size = cause.size(), .severity = event.severity, .began = now});
      windows_.push_back(uses_.begin());
      uses_.front().window = std::prev(windows_.end());
      pairs_.emplace(std::move(key), uses_.begin());
    }
    put_line(event.severity, cause, subject, event.text);
  }

  void tick() {
    const std::lock_guard lock(mutex_);
    end_windows(options_.clock());
    if (!rest_.empty() || dropped_untold_ > 0) put({});
  }

  void end() {
    const std::lock_guard lock(mutex_);
    const Instant now = options_.clock();
    while (!windows_.empty()) forget(windows_.front(), now);
  }

  std::uint64_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  struct Pair;
  using Use = std::list<Pair>::iterator;
  struct Pair {
    std::string key;  // cause, NUL, subject
    std::size_t cause_size = 0;
    Severity severity = Severity::info;  // the most severe of those counted
    Instant began{};
    std::uint32_t written = 1;
    std::uint64_t more = 0;
    std::list<Use>::iterator window{};
  };

  void end_windows(Instant now) {
    while (!windows_.empty() && now - windows_.front()->began >= options_.window)
      forget(windows_.front(), now);
  }

  void forget(Use use, Instant now) {
    const std::string_view key = use->key;
    if (use->more > 0) {
      const auto seconds =
          std::chrono::ceil<std::chrono::seconds>(std::min<Duration>(now - use->began, options_.window));
      put_line(
          use->severity, key.substr(0, use->cause_size), key.substr(use->cause_size + 1),
          "… " + std::to_string(use->more) + " more like this in " + std::to_string(seconds.count()) + " s");
    }
    windows_.erase(use->window);
    pairs_.erase(use->key);
    uses_.erase(use);
  }

  void put_line(Severity severity, std::string_view cause, std::string_view subject, std::string_view text) {
    std::string line;
    line.reserve(256);
    if (options_.journal_prefixes) line += journal_prefix(severity);
    line += timestamp(options_.wall_clock());
    line.append(" level=").append(name(severity)).append(" cause=");
    append_value(line, cause);
    if (!subject.empty()) {
      line += " subject=";
      append_value(line, subject);
    }
    line += ' ';
    // An escape is at most four times as long as its byte. So this cuts first, then checks whether the rest fits.
    std::string end = quoted(text.substr(0, line_size_max));
    if (line.size() + end.size() + 1 > line_size_max) {
      static constexpr std::string_view cut = "…(cut)\"";
      std::size_t keep = line_size_max - line.size() - cut.size() - 1;
      while (keep > 1 && (static_cast<unsigned char>(end[keep]) & 0xC0) == 0x80)
        --keep;  // never within a character
      end.resize(keep);
      // Never within an escape: an odd number of backslashes at the end would escape the closing quote.
      const std::size_t run = end.size() - 1 - end.find_last_not_of('\\');
      if (run % 2 == 1) end.pop_back();
      end += cut;
    }
    line += end;
    line += '\n';
    put(line);
  }

  // Writes what was left of the last line, then the number of lost lines, then `line`. Drops `line` if there is no
  // room.
  void put(std::string_view line) {
    if (!rest_.empty()) {
      const std::size_t sent = put_some(rest_);
      rest_.erase(0, sent);
      if (!rest_.empty()) return drop(line);
    }
    if (dropped_untold_ > 0) {
      const std::string lost =
          (options_.journal_prefixes ? std::string(journal_prefix(Severity::warning)) : std::string()) +
          timestamp(options_.wall_clock()) + " level=warning cause=log_lines_lost \"" +
          counted(dropped_untold_, "line was", "lines were") +
          " lost: the reader of this log did not keep up\"\n";
      const std::size_t sent = put_some(lost);
      if (sent == 0) return drop(line);
      dropped_untold_ = 0;
      rest_ = lost.substr(sent);
      if (!rest_.empty()) return drop(line);
    }
    if (line.empty()) return;
    const std::size_t sent = put_some(line);
    if (sent == 0) return drop(line);
    rest_ = line.substr(sent);
  }

  void drop(std::string_view line) {
    if (line.empty()) return;
    ++dropped_;
    ++dropped_untold_;
  }

  // Returns how many bytes were written; 0 if there was no room.
  std::size_t put_some(std::string_view bytes) {
    bool may_wait = !blocked_;
    while (true) {
      pollfd ready{.fd = options_.fd, .events = POLLOUT, .revents = 0};
      const auto wait =
          may_wait ? std::chrono::ceil<std::chrono::milliseconds>(options_.blocked_wait).count() : 0;
      const int count = poll(&ready, 1, static_cast<int>(wait));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        blocked_ = true;
        return 0;
      }
      const ssize_t sent = is_socket_
                               ? send(options_.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                               : ::write(options_.fd, bytes.data(), bytes.size());
      if (sent >= 0) {
        blocked_ = false;
        return static_cast<std::size_t>(sent);
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN && may_wait) {  // a socket with less room than the line; do not wait twice
        may_wait = false;
        continue;
      }
      blocked_ = errno == EAGAIN;
      return 0;  // the reader is gone (EPIPE), or the disk is full: the log must not end the process
    }
  }

  LogOptions options_;
  bool is_socket_ = false;
  mutable std::mutex mutex_;
  std::list<Pair> uses_;
  std::list<Use> windows_;
  std::unordered_map<std::string, Use> pairs_;
  std::string rest_;  // of a line that was written in part; at most one line
  bool blocked_ = false;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_untold_ = 0;
};

Log::Log(LogOptions options) : writer_(std::make_unique<Writer>(std::move(options))) {}

Log::~Log() {
  try {
    writer_->end();
  } catch (...) {
    // Out of memory at the very end: the last line is lost.
  }
}

// Only allocation can throw below. Without memory the line is lost, and the process continues.
void Log::write(const LogEvent& event) noexcept {
  try {
    writer_->write(event);
  } catch (...) {
    // lost
  }
}

void Log::tick() noexcept {
  try {
    writer_->tick();
  } catch (...) {
    // lost
  }
}

std::uint64_t Log::dropped() const {
  return writer_->dropped();
}

}  // namespace kferry::operations
