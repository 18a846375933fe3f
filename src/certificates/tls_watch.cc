#include "certificates/tls_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "base/host_lack.h"
#include "base/start_thread.h"

namespace kferry::certificates {
namespace {

using std::chrono::milliseconds;
using Monotonic = std::chrono::steady_clock;

// How often ticket keys are checked. Their period is an hour.
constexpr milliseconds ticket_turn = std::chrono::minutes(1);
// The kernel follows as many links (ELOOP).
constexpr int links_max = 40;
constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                  IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// Paths may change while they are looked at; an interval finds what these looks miss.
constexpr int looks_max = 8;

using Folders = std::map<std::string, std::set<std::string>>;

// Collects the folders on a path, with the names to watch in each: those of links, and that of the file, even if it is
// missing.
void trace(const std::filesystem::path& path, Folders& folders, int& links) {
  std::error_code ignored;
  std::filesystem::path at = "/";
  for (auto part = path.begin(); part != path.end(); ++part) {
    if (*part == "/" || part->empty()) continue;
    const bool last = std::next(part) == path.end();
    const std::filesystem::path next = at / *part;
    const auto status = std::filesystem::symlink_status(next, ignored);
    const bool link = std::filesystem::is_symlink(status);
    if (link || last || !std::filesystem::exists(status)) folders[at.string()].insert(part->string());
    if (!std::filesystem::exists(status)) return;
    if (link) {
      if (++links > links_max) return;
      std::filesystem::path target = std::filesystem::read_symlink(next, ignored);
      if (target.is_relative()) target = at / target;
      for (++part; part != path.end(); ++part) target /= *part;
      trace(target.lexically_normal(), folders, links);
      return;
    }
    at = next;
  }
}

// The time until a Unix time, at most a day.
milliseconds seconds_until(std::int64_t time_s) {
  constexpr std::int64_t day_s = 24 * 60 * 60;
  const std::int64_t now_s = TlsContexts::system_time();
  return std::chrono::seconds(time_s > now_s ? std::min(time_s - now_s, day_s) : 0);
}

}  // namespace

// One inotify instance over the folders of some files. Opened once, so that a later lack of descriptors changes
// nothing.
class TlsWatch::Watches {
 public:
  Watches() { open(); }
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;
  ~Watches() {
    if (fd_ >= 0) close(fd_);
  }

  int fd() const { return fd_; }
  // Why a folder is not watched; empty if all are.
  const std::string& failure() const { return failure_; }

  // Watches the folders of these files, and no others any more.
  void watch(const std::vector<std::string>& files) {
    if (fd_ < 0) open();
    if (fd_ < 0) return;
    const auto before = std::exchange(names_, {});
    Folders watched;
    // What comes into being between the look at a path and the watch over its folder raises no event: looks again until
    // the paths are what is watched.
    for (int look = 0; look < looks_max; ++look) {
      Folders folders = folders_of(files);
      if (look > 0 && folders == watched) break;
      watched = std::move(folders);
      add(watched);
    }
    for (const auto& [watch, names] : before) {
      if (!names_.contains(watch)) inotify_rm_watch(fd_, watch);
    }
  }

  // Reads all events. True if one of them concerns one of the files.
  bool read_events() {
    bool concerned = false;
    alignas(inotify_event) std::array<char, 16 * 1024> room;
    for (;;) {
      const ssize_t got = read(fd_, room.data(), room.size());
      if (got <= 0) return concerned;
      for (ssize_t at = 0; at < got;) {
        inotify_event event{};
        std::memcpy(&event, room.data() + at, sizeof event);
        const char* name = event.len == 0 ? "" : room.data() + at + sizeof event;
        at += static_cast<ssize_t>(sizeof event + event.len);
        if ((event.mask & IN_IGNORED) != 0) continue;  // a watch has ended; another event has said why
        const auto names = names_.find(event.wd);
        // Events of the folder itself, or lost events: reload once too often rather than once too seldom.
        concerned = concerned || event.len == 0 || (event.mask & IN_Q_OVERFLOW) != 0 ||
                    (names != names_.end() && names->second.contains(name));
      }
    }
  }

 private:
  static Folders folders_of(const std::vector<std::string>& files) {
    Folders folders;
    for (const std::string& file : files) {
      int links = 0;
      std::error_code ignored;
      trace(std::filesystem::absolute(file, ignored).lexically_normal(), folders, links);
    }
    return folders;
  }

  void add(const Folders& folders) {
    failure_.clear();
    for (const auto& [folder, names] : folders) {
      const int watch = inotify_add_watch(fd_, folder.c_str(), changes);
      if (watch >= 0) {
        names_[watch].insert(names.begin(), names.end());
      } else if (errno != ENOENT && errno != ENOTDIR) {
        failure_ = folder + ": " + std::strerror(errno);
      }
    }
  }

  void open() {
    fd_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd_ < 0) failure_ = std::strerror(errno);
  }

  int fd_ = -1;
  std::map<int, std::set<std::string>> names_;
  std::string failure_;
};

TlsWatch::TlsWatch(TlsContexts& contexts, LogSink& log, milliseconds interval, int stop)
    : contexts_(contexts),
      log_(log),
      interval_(interval),
      stop_(stop),
      watches_(std::make_unique<Watches>()) {}

std::expected<std::unique_ptr<TlsWatch>, std::string> TlsWatch::start(TlsContexts& contexts, LogSink& log,
                                                                      milliseconds interval) {
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) return std::unexpected("certificates cannot be watched: " + lack_text(errno));
  std::unique_ptr<TlsWatch> watch(new TlsWatch(contexts, log, interval, stop));
  auto thread = start_thread([&started = *watch] { started.run(); });
  if (!thread) return std::unexpected("certificates cannot be watched: " + thread.error());
  watch->thread_ = std::move(*thread);
  return watch;
}

TlsWatch::~TlsWatch() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    KFERRY_ASSERT(write(stop_, &one, sizeof one) == sizeof one);
    thread_.join();
  }
  close(stop_);
}

void TlsWatch::run() {
  std::string told;
  const auto watch_and_read = [&] {
    // Watches first, so that a change during the reading raises another event.
    watches_->watch(contexts_.files());
    if (watches_->failure() != told) {
      told = watches_->failure();
      if (!told.empty()) {
        log_.write(
            {Severity::warning, "tls_watch_failed", "",
             "certificates cannot be watched (" + told + "): they are read every " +
                 counted(std::chrono::duration_cast<std::chrono::minutes>(interval_).count(), "minute") +
                 "; raise fs.inotify.max_user_instances and max_user_watches"});
      }
    }
    contexts_.reload();
  };
  watch_and_read();
  auto read_at = Monotonic::now() + interval_;
  auto turn_at = Monotonic::now() + ticket_turn;
  // Of a change that is not read yet: when it will be, and when at the latest.
  std::optional<Monotonic::time_point> due;
  Monotonic::time_point latest;
  for (;;) {
    auto next = std::min({read_at, turn_at, due.value_or(read_at)});
    // Depends on the wall clock, which may be set, so it is checked again in every turn.
    const auto change = seconds_until(contexts_.next_change_s());
    if (change < ticket_turn) next = std::min(next, Monotonic::now() + change);
    const auto left = std::chrono::ceil<milliseconds>(next - Monotonic::now());
    std::array<pollfd, 2> wanted{pollfd{stop_, POLLIN, 0}, pollfd{watches_->fd(), POLLIN, 0}};
    const auto wait = std::clamp<milliseconds::rep>(left.count(), 0, 1'000'000);
    const int ready = poll(wanted.data(), wanted.size(), static_cast<int>(wait));
    if (ready > 0 && wanted[0].revents != 0) return;
    const auto now = Monotonic::now();
    if (ready > 0 && wanted[1].revents != 0 && watches_->read_events()) {
      if (!due) latest = now + patience;
      due = std::min(now + quiet_after, latest);
    }
    if (now >= turn_at) {
      contexts_.advance(monotonic_now());
      turn_at = now + ticket_turn;
    }
    if ((due && now >= *due) || now >= read_at || seconds_until(contexts_.next_change_s()).count() <= 0) {
      due.reset();
      watch_and_read();
      read_at = Monotonic::now() + interval_;
    }
  }
}

}  // namespace kferry::certificates
