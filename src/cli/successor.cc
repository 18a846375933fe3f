#include "cli/successor.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/handed_sockets.h"
#include "base/read_file.h"
#include "base/secret.h"

extern char** environ;

namespace kferry::cli {
namespace {

// Through the pipe: the process's id, then one of these; cannot_execute is followed by an errno.
constexpr char is_ready = 'R';
constexpr char cannot_execute = 'X';
constexpr std::size_t id_size = sizeof(std::int32_t);

// Everything that the child needs, made before the fork, because a child of a process with threads must not allocate.
struct Plan {
  std::string program;
  std::vector<std::string> words;
  std::vector<std::string> variables;
  std::vector<char*> word_pointers;
  std::vector<char*> variable_pointers;
  std::size_t listen_pid = 0;  // which variable; its value is filled in by the child
  std::vector<int> descriptors;
  std::vector<int> copies;
  int report = -1;  // of the descriptors, the last one
};

constexpr std::string_view listen_pid_name = "LISTEN_PID=";
constexpr std::size_t digits_max = 10;

// The words that this process was started with.
std::expected<std::vector<std::string>, std::string> own_words() {
  constexpr std::size_t arguments_size = std::size_t{4} * 1024 * 1024;
  const auto read = read_file("/proc/self/cmdline", arguments_size);
  if (!read) return std::unexpected(std::string("cannot read /proc/self/cmdline"));
  std::vector<std::string> words;
  std::string_view text = text_of(*read);
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    words.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  if (words.empty()) return std::unexpected(std::string("/proc/self/cmdline is empty"));
  return words;
}

// Where the first word leads now: links are followed anew, and a file that was replaced is the new one.
std::expected<std::string, std::string> program_of(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  const char* const path = std::getenv("PATH");
  std::string_view left = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!left.empty()) {
    const std::size_t colon = left.find(':');
    std::string candidate = std::string(left.substr(0, colon)) + "/" + word;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    left = colon == std::string_view::npos ? std::string_view() : left.substr(colon + 1);
  }
  return std::unexpected("no " + word + " in PATH");
}

bool is_passed_on(std::string_view variable) {
  for (const std::string_view own : {"LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_PID="})
    if (variable.starts_with(own)) return false;
  return true;
}

std::expected<Plan, std::string> plan_of(const std::vector<Successor::Handed>& handed) {
  Plan plan;
  auto words = own_words();
  if (!words) return std::unexpected(std::move(words.error()));
  plan.words = std::move(*words);
  auto program = program_of(plan.words.front());
  if (!program) return std::unexpected(std::move(program.error()));
  plan.program = std::move(*program);
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (is_passed_on(*variable)) plan.variables.emplace_back(*variable);
  std::string names;
  for (const Successor::Handed& one : handed) {
    plan.descriptors.push_back(one.fd);
    names += (names.empty() ? "" : ":") + one.name;
  }
  plan.copies.resize(plan.descriptors.size());
  plan.variables.push_back("LISTEN_FDS=" + std::to_string(handed.size()));
  plan.variables.push_back("LISTEN_FDNAMES=" + names);
  plan.listen_pid = plan.variables.size();
  plan.variables.push_back(std::string(listen_pid_name) + std::string(digits_max, '\0'));
  for (std::string& word : plan.words) plan.word_pointers.push_back(word.data());
  for (std::string& variable : plan.variables) plan.variable_pointers.push_back(variable.data());
  plan.word_pointers.push_back(nullptr);
  plan.variable_pointers.push_back(nullptr);
  return plan;
}

// In the child: only calls of signal-safety(7) from here on.
[[noreturn]] void become(Plan& plan) {
  const int count = static_cast<int>(plan.descriptors.size());
  const int report = handed_first + count - 1;
  int error = 0;
  for (std::size_t i = 0; i < plan.descriptors.size() && error == 0; ++i) {
    plan.copies[i] = fcntl(plan.descriptors[i], F_DUPFD, handed_first + count);
    if (plan.copies[i] < 0) error = errno;
  }
  for (std::size_t i = 0; i < plan.descriptors.size() && error == 0; ++i)
    if (dup2(plan.copies[i], handed_first + static_cast<int>(i)) < 0) error = errno;
  if (error == 0) {
    syscall(SYS_close_range, static_cast<unsigned>(handed_first + count), UINT_MAX, 0);
    const std::int32_t own = getpid();
    char* digit = plan.variable_pointers[plan.listen_pid] + listen_pid_name.size();
    std::array<char, digits_max> reversed{};
    std::size_t size = 0;
    for (std::int32_t left = own; left > 0; left /= 10) reversed[size++] = static_cast<char>('0' + left % 10);
    while (size > 0) *digit++ = reversed[--size];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (write(report, &own, sizeof own) == static_cast<ssize_t>(sizeof own))
      execve(plan.program.c_str(), plan.word_pointers.data(), plan.variable_pointers.data());
    error = errno;
    std::array<char, 1 + sizeof error> news{cannot_execute};
    std::memcpy(news.data() + 1, &error, sizeof error);
    if (write(report, news.data(), news.size()) < 0) _exit(126);
  }
  _exit(127);
}

void close_all(std::initializer_list<int> descriptors) {
  for (const int fd : descriptors)
    if (fd >= 0) close(fd);
}

}  // namespace

std::expected<std::unique_ptr<Successor>, std::string> Successor::start(std::vector<Handed> handed,
                                                                        Instant now, Duration timeout) {
  std::array<int, 2> report{-1, -1};
  if (pipe2(report.data(), O_CLOEXEC) != 0)
    return std::unexpected(std::string("cannot make a pipe: ") + std::strerror(errno));
  handed.push_back({report[1], std::string(handed_report)});
  auto plan = plan_of(handed);
  if (!plan) {
    close_all({report[0], report[1]});
    return std::unexpected(std::move(plan.error()));
  }
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) become(*plan);
    _exit(grandchild < 0 ? 1 : 0);
  }
  const int error = errno;
  close_all({report[1]});
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    close_all({report[0]});
    return std::unexpected(std::string("cannot start a process: ") +
                           std::strerror(child < 0 ? error : EAGAIN));
  }
  fcntl(report[0], F_SETFL, O_NONBLOCK);
  return std::unique_ptr<Successor>(new Successor(report[0], now + timeout, timeout));
}

Successor::~Successor() {
  if (stage_ == Stage::starting) fail("it is not wanted any more");
  close_all({report_, pidfd_});
}

// What has come through the pipe. False: its end.
bool Successor::hear() {
  std::array<char, 64> room{};
  ssize_t got = 0;
  while ((got = read(report_, room.data(), room.size())) > 0)
    heard_.append(room.data(), static_cast<std::size_t>(got));
  const bool open = got != 0;
  if (pid_ == 0 && heard_.size() >= id_size) {
    std::int32_t id = 0;
    std::memcpy(&id, heard_.data(), sizeof id);
    pid_ = id;
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  }
  return open;
}

void Successor::fail(std::string why) {
  if (pid_ == 0) hear();  // without an id it has not written yet, and ends as it writes to a closed pipe
  stage_ = Stage::failed;
  failure_ = std::move(why);
  if (pidfd_ >= 0)
    syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
  else if (pid_ > 0)
    kill(pid_, SIGKILL);
}

Successor::Stage Successor::look(Instant now) {
  if (stage_ != Stage::starting) return stage_;
  const bool ended = !hear();
  const std::string_view news = std::string_view(heard_).substr(std::min(heard_.size(), id_size));
  if (news.starts_with(is_ready)) {
    stage_ = Stage::ready;
  } else if (news.starts_with(cannot_execute) && news.size() >= 1 + sizeof(int)) {
    int error = 0;
    std::memcpy(&error, news.data() + 1, sizeof error);
    fail(std::string("it cannot be executed: ") + std::strerror(error));
  } else if (ended) {
    fail("it ended before it was ready, and its own lines say why");
  } else if (now >= until_) {
    fail("it was not ready within " +
         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(timeout_).count()) +
         " s, and was killed");
  }
  return stage_;
}

void report_ready(int report) {
  const char news = is_ready;
  // If the predecessor is gone meanwhile, this process serves all the same.
  if (write(report, &news, 1) == 1 || errno == EPIPE) close(report);
}

}  // namespace kferry::cli
