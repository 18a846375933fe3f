// What happens when the kernel drops completions for want of memory: io_uring_enter(2) reports EBADR, once. Here a
// seccomp filter reports it, in a process of its own.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include "doctest/doctest.h"
#include "ring/backend.h"

namespace kferry::ring {
namespace {

bool refuse_to_enter(std::uint32_t error) {
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_io_uring_enter},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

struct Ended {
  int status = 0;
  std::string text;
};

// A process whose ring gets this error with its next turn. It may do what only one thread needs.
Ended turn_with(std::uint32_t error) {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(pipe[1], STDERR_FILENO);
    const auto ring = make_ring(Backend::io_uring);
    if (!ring || !refuse_to_enter(error)) ::_exit(3);
    (*ring)->timer({1, 1, 1}, (*ring)->now());
    (*ring)->wait();
    ::_exit(2);
  }
  ::close(pipe[1]);
  Ended ended;
  std::array<char, 1024> part{};
  for (ssize_t size = 0; (size = ::read(pipe[0], part.data(), part.size())) > 0;)
    ended.text.append(part.data(), static_cast<std::size_t>(size));
  ::close(pipe[0]);
  ::waitpid(child, &ended.status, 0);
  return ended;
}

TEST_CASE("lost completions end the process with a reason and a remedy") {
  if (!make_ring(Backend::io_uring)) return;  // refused here: nothing to lose
  const Ended ended = turn_with(EBADR);
  INFO(ended.text);
  REQUIRE(WIFEXITED(ended.status));
  CHECK(WEXITSTATUS(ended.status) == 1);
  CHECK(ended.text.find("level=error cause=completions_lost") != std::string::npos);
  CHECK(ended.text.find("backend = epoll") != std::string::npos);
  CHECK(ended.text.find('\n') == ended.text.size() - 1);
}

TEST_CASE("a kernel that is short of memory for a moment is asked again") {
  if (!make_ring(Backend::io_uring)) return;
  for (const int error : {EAGAIN, EBUSY, ENOMEM, EINTR}) {
    const Ended ended = turn_with(static_cast<std::uint32_t>(error));
    INFO(error << ": " << ended.text);
    REQUIRE(WIFEXITED(ended.status));
    CHECK(WEXITSTATUS(ended.status) == 2);
  }
}

}  // namespace
}  // namespace kferry::ring
