#include "ring/probe.h"

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "ring/kernel_abi.h"
#include "ring/splice_pipes.h"

namespace kferry::ring {
namespace {

// A small ring for one experiment.
struct Trial {
  explicit Trial(unsigned flags) {
    params.flags = flags;
    error = io_uring_queue_init_params(8, &ring, &params);
  }
  ~Trial() {
    if (error == 0) io_uring_queue_exit(&ring);
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  // Submits what is queued. Returns the first completion's result, or -ETIME after 200 ms.
  int result(std::uint32_t* flags = nullptr, std::uint64_t* user_data = nullptr) {
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec patience{0, 200'000'000};
    const int waited = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &patience, nullptr);
    if (waited < 0) return waited;
    if (cqe == nullptr && io_uring_peek_cqe(&ring, &cqe) != 0) return -ETIME;
    const int found = cqe->res;
    if (flags != nullptr) *flags = cqe->flags;
    if (user_data != nullptr) *user_data = cqe->user_data;
    io_uring_cqe_seen(&ring, cqe);
    return found;
  }

  io_uring ring{};
  io_uring_params params{};
  int error = 0;
};

// A provided-buffer ring of eight buffers on a trial's ring.
struct TrialBuffers {
  static constexpr std::size_t count = 8;

  explicit TrialBuffers(Trial& trial) : trial_(trial) {
    if (trial.error != 0) return;
    memory_ = ::mmap(nullptr, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return;
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory_);
    registration.ring_entries = count;
    registration.bgid = abi::buffer_group;
    well = io_uring_register_buf_ring(&trial.ring, &registration, 0) == 0;
  }
  ~TrialBuffers() {
    if (well) io_uring_unregister_buf_ring(&trial_.ring, abi::buffer_group);
    if (memory_ != MAP_FAILED) ::munmap(memory_, memory_size);
  }
  TrialBuffers(const TrialBuffers&) = delete;
  TrialBuffers& operator=(const TrialBuffers&) = delete;

  io_uring_buf_ring* ring() const { return static_cast<io_uring_buf_ring*>(memory_); }

  bool well = false;

 private:
  static constexpr std::size_t memory_size = 4096;

  Trial& trial_;
  void* memory_ = MAP_FAILED;
};

bool try_buffer_ring() {
  Trial trial(0);
  return TrialBuffers(trial).well;
}

// Asks a multishot receive for 600 of 1,000 bytes, in buffers of 256. A kernel that counts ends it there.
bool try_counted_receive() {
  constexpr std::size_t buffer_size = 256;
  constexpr std::size_t wanted = 600;
  std::array<std::byte, 1'000> bytes{};
  std::array<std::byte, buffer_size * TrialBuffers::count> room{};
  Trial trial(0);
  const TrialBuffers buffers(trial);
  int ends[2] = {-1, -1};
  bool well = buffers.well &&
              ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 &&
              ::send(ends[0], bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  if (well) {
    for (std::uint16_t id = 0; id < TrialBuffers::count; ++id)
      io_uring_buf_ring_add(buffers.ring(), room.data() + id * buffer_size, buffer_size, id,
                            TrialBuffers::count - 1, id);
    io_uring_buf_ring_advance(buffers.ring(), TrialBuffers::count);
    io_uring_sqe* sqe = io_uring_get_sqe(&trial.ring);
    io_uring_prep_recv(sqe, ends[1], nullptr, buffer_size, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->ioprio |= IORING_RECV_MULTISHOT;
    sqe->buf_group = abi::buffer_group;
    abi::set_multishot_total(*sqe, wanted);
    std::size_t received = 0;
    std::uint32_t flags = IORING_CQE_F_MORE;
    while (well && (flags & IORING_CQE_F_MORE) != 0) {
      const int result = trial.result(&flags);
      well = result > 0;
      if (well) received += static_cast<std::size_t>(result);
    }
    well = well && received >= wanted && received < bytes.size();
  }
  for (const int end : ends)
    if (end >= 0) ::close(end);
  return well;
}

bool try_message_ring(unsigned flags) {
  Trial from(flags);
  Trial to(flags);
  if (from.error != 0 || to.error != 0) return false;
  io_uring_sqe* sqe = io_uring_get_sqe(&from.ring);
  io_uring_prep_msg_ring(sqe, to.ring.ring_fd, 7, 42, 0);
  std::uint64_t user_data = 0;
  return from.result() == 0 && to.result(nullptr, &user_data) == 7 && user_data == 42;
}

bool try_multishot_accept() {
  Trial trial(0);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  bool well = false;
  if (trial.error == 0 && listener >= 0 && client >= 0 && ::bind(listener, where, size) == 0 &&
      ::listen(listener, 1) == 0 && ::getsockname(listener, where, &size) == 0) {
    static_cast<void>(::connect(client, where, size));  // done or in progress; over loopback both will do
    io_uring_prep_multishot_accept(io_uring_get_sqe(&trial.ring), listener, nullptr, nullptr, SOCK_CLOEXEC);
    std::uint32_t flags = 0;
    const int accepted = trial.result(&flags);
    well = accepted >= 0 && (flags & IORING_CQE_F_MORE) != 0;
    if (accepted >= 0) ::close(accepted);
  }
  if (client >= 0) ::close(client);
  if (listener >= 0) ::close(listener);
  return well;
}

bool try_peeking_ahead() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int offset = 1;
  const bool well = fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0;
  if (fd >= 0) ::close(fd);
  return well;
}

int pipe_size_offered() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return 0;
  const int size = ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(SplicePipes::pipe_size));
  ::close(ends[0]);
  ::close(ends[1]);
  return size;
}

}  // namespace

bool kernel_counts_receives() {
  static const bool counts = try_counted_receive();
  return counts;
}

std::string io_uring_refusal(int error) {
  int disabled = 0;
  if (std::ifstream setting("/proc/sys/kernel/io_uring_disabled"); setting) setting >> disabled;
  switch (error) {
    case ENOSYS:
      return "the kernel has no io_uring, or a seccomp profile hides it: run Linux 6.1 or newer, and allow "
             "io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile";
    case EPERM:
    case EACCES:
      if (disabled == 2) return "io_uring is disabled on this host: set kernel.io_uring_disabled=0 (sysctl)";
      if (disabled == 1)
        return "io_uring is kept for privileged processes on this host: set kernel.io_uring_disabled=0, or "
               "set "
               "kernel.io_uring_group to this process's group";
      return "io_uring is forbidden by a seccomp profile or security module: allow io_uring_setup, "
             "io_uring_enter "
             "and io_uring_register in the container's seccomp profile";
    case ENOMEM:
      return "no memory for io_uring: raise the memory limit, and the locked-memory limit (LimitMEMLOCK, "
             "ulimit -l)";
    case EMFILE:
    case ENFILE:
      return "out of file descriptors: raise LimitNOFILE (ulimit -n)";
    default:
      return std::string("io_uring cannot be set up: ") + std::strerror(error) + "; run Linux 6.1 or newer";
  }
}

std::vector<Feature> probe_host() {
  std::vector<Feature> features;
  const auto add = [&](std::string name, bool available, std::string used_for, std::string remedy) {
    features.push_back(
        {std::move(name), available, std::move(used_for), available ? std::string() : std::move(remedy)});
  };
  add("1 MiB pipes", pipe_size_offered() >= static_cast<int>(SplicePipes::pipe_size), "splicing large frames",
      "smaller pipes are used instead: raise fs.pipe-max-size and fs.pipe-user-pages-soft");
  add("looking ahead in sockets", try_peeking_ahead(), "splicing the records of many partitions at once",
      "each partition's are spliced on their own; Linux 6.9 or newer has it");
  Trial plain(0);
  if (plain.error != 0) return features;
  const std::string newer = "needed: run Linux 6.1 or newer";

  io_uring_probe* opcodes = io_uring_get_probe_ring(&plain.ring);
  const struct {
    int code;
    const char* name;
    const char* used_for;
  } needed[] = {{IORING_OP_ACCEPT, "accept", "taking connections"},
                {IORING_OP_CONNECT, "connect", "dialling brokers"},
                {IORING_OP_RECV, "recv", "receiving"},
                {IORING_OP_SEND, "send", "sending one buffer"},
                {IORING_OP_SENDMSG, "sendmsg", "sending many buffers at once"},
                {IORING_OP_POLL_ADD, "poll", "splicing, waking"},
                {IORING_OP_ASYNC_CANCEL, "cancel", "closing connections"}};
  for (const auto& opcode : needed)
    add(opcode.name, opcodes != nullptr && io_uring_opcode_supported(opcodes, opcode.code) != 0,
        opcode.used_for, newer);
  if (opcodes != nullptr) io_uring_free_probe(opcodes);

  const unsigned deferred = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  const bool defer = Trial(deferred).error == 0;
  const bool cooperative = Trial(IORING_SETUP_COOP_TASKRUN).error == 0;
  add("no dropped completions", (plain.params.features & IORING_FEAT_NODROP) != 0,
      "losing nothing under load", newer);
  add("wait with a time-out", (plain.params.features & IORING_FEAT_EXT_ARG) != 0, "timers", newer);
  add("provided-buffer rings", try_buffer_ring(), "receiving", newer);
  add("deferred task work", defer, "22-39 % less CPU per request",
      "cooperative task work is used instead; Linux 6.1 or newer has it");
  add("cooperative task work", cooperative, "in place of deferred task work", "Linux 5.19 or newer has it");
  add("receive bundles", (plain.params.features & abi::feature_recvsend_bundle) != 0,
      "many buffers in one receive", "one buffer a receive is used instead; Linux 6.10 or newer has them");
  add("counted multishot receives", kernel_counts_receives(), "small requests with one submission for many",
      "one submission a receive is used instead; Linux 6.17 or newer has them");
  add("messages between rings", try_message_ring(defer ? deferred : 0U),
      "handing connections to other workers",
      "a queue and an eventfd are used instead; Linux 6.1 or newer has them");
  add("multishot accept", try_multishot_accept(), "accepting with one submission",
      "one submission a connection is used instead; Linux 5.19 or newer has it");
  return features;
}

}  // namespace kferry::ring
