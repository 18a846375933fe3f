// Sets a ring up, runs its turns and takes it down. The operations are in uring_operations.cc.
#include "ring/uring_ring.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "base/last_words.h"
#include "ring/collected_pieces.h"
#include "ring/kernel_abi.h"
#include "ring/probe.h"
#include "ring/uring_tag.h"

namespace kferry::ring {

std::expected<std::unique_ptr<Ring>, std::string> UringRing::create(const UringOptions& options) {
  std::unique_ptr<UringRing> ring(new UringRing);
  if (auto opened = ring->open(options); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<Ring>(std::move(ring));
}

std::expected<void, std::string> UringRing::open(const UringOptions& options) {
  io_uring_params params{};
  const unsigned base = IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  int error = -EINVAL;
  for (const unsigned extra :
       {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0U}) {
    if (!options.defer_taskrun && (extra & IORING_SETUP_DEFER_TASKRUN) != 0) continue;
    params = {};
    params.flags = base | extra;
    params.cq_entries = std::max(options.entries, 256U) * 4;
    error = io_uring_queue_init_params(options.entries, &ring_, &params);
    if (error != -EINVAL) break;
  }
  if (error != 0) return std::unexpected(io_uring_refusal(-error));
  ring_open_ = true;
  if ((params.features & IORING_FEAT_NODROP) == 0 || (params.features & IORING_FEAT_EXT_ARG) == 0)
    return std::unexpected(std::string("this kernel's io_uring is too old: run Linux 6.1 or newer"));
  io_uring_register_ring_fd(&ring_);  // best effort: saves a descriptor lookup per turn
  bundles_ = options.bundles && (params.features & abi::feature_recvsend_bundle) != 0;
  multishot_accept_ = options.multishot_accept;
  multishot_receives_ = options.multishot_receives && kernel_counts_receives();

  if (const int refused = buffers_.open(ring_, options.buffer_count, options.buffer_size); refused != 0)
    return std::unexpected(
        refused == -ENOMEM
            ? std::string("no memory for the receive buffers: raise the memory or memlock limit")
            : std::string("provided-buffer rings are refused: run Linux 6.1 or newer"));

  // A duplicate, so that the number never names another file.
  const int ring_fd = ::fcntl(ring_.ring_fd, F_DUPFD_CLOEXEC, 0);
  if (ring_fd < 0 || mailbox_->open() != 0) {
    if (ring_fd >= 0) ::close(ring_fd);
    return std::unexpected(std::string("out of file descriptors: raise LimitNOFILE (ulimit -n)"));
  }
  if (options.message_ring && try_message_ring(ring_fd)) {
    mailbox_->set_ring_fd(ring_fd);
  } else {
    ::close(ring_fd);
  }
  now_ = monotonic_now();
  poll_wake();
  return {};
}

// Sends a message from this ring to itself.
bool UringRing::try_message_ring(int ring_fd) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_msg_ring(&sqe, ring_fd, 0, user_data(Tag::probe), 0);
  sqe.user_data = user_data(Tag::probe, 1);
  bool arrived = false;
  bool receipt = false;
  while (!receipt) {
    io_uring_cqe* cqe = nullptr;
    const int error = io_uring_submit_and_wait(&ring_, 1);
    if (error < 0 && error != -EINTR) return false;
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
      if (slot_of(cqe->user_data) == 1) {
        receipt = true;
        if (cqe->res < 0) arrived = false;
      } else {
        arrived = true;
      }
      io_uring_cqe_seen(&ring_, cqe);
    }
  }
  if (!arrived) {  // the message may arrive a moment after its receipt
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec brief{0, 50'000'000};
    if (io_uring_wait_cqe_timeout(&ring_, &cqe, &brief) == 0) {
      arrived = true;
      io_uring_cqe_seen(&ring_, cqe);
    }
  }
  return arrived;
}

UringRing::~UringRing() {
  mailbox_->end();
  if (!ring_open_) return;
  closing_ = true;
  while (!timers_.empty()) {
    const std::uint32_t slot = timers_.first();
    timers_.remove(slot);
    ops_.release(slot);
  }
  // Multishot accepts continue on their own, and the mailbox may keep the kernel's ring alive. So everything is
  // cancelled here, and waited for.
  for (std::uint32_t slot = 0; slot < ops_.size(); ++slot)
    if (ops_.at(slot).kind != OpKind::free) cancel(ops_.at(slot).token);
  for (const std::uint32_t slot : transfers_due_) end_transfer(slot, true);
  const Instant patience = monotonic_now() + std::chrono::seconds{1};
  while (ops_.outstanding() > 0 && monotonic_now() < patience) {
    flush_backlog();
    __kernel_timespec brief{0, 10'000'000};
    io_uring_cqe* cqe = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &brief, nullptr);
    completions_.clear();
    pieces_.clear();
    reap();
    for (const Completion& completion : completions_)
      // Accepted during the shutdown, with no one to take it.
      if (completion.more && completion.pieces.empty()) ::close(completion.result);
  }
  for (SpliceTransfer& transfer : transfers_) transfer.end(pipes_, true);
  io_uring_queue_exit(&ring_);
}

io_uring_sqe& UringRing::next_sqe() {
  io_uring_sqe* sqe = backlog_.empty() ? io_uring_get_sqe(&ring_) : nullptr;
  if (sqe == nullptr && backlog_.empty()) {
    io_uring_submit(&ring_);  // on error the queue stays full, and the backlog is used until wait()
    sqe = io_uring_get_sqe(&ring_);
  }
  if (sqe == nullptr) sqe = &backlog_.emplace_back();
  *sqe = io_uring_sqe{};
  return *sqe;
}

void UringRing::flush_backlog() {
  while (!backlog_.empty()) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      if (io_uring_submit(&ring_) <= 0) return;  // completions must be reaped first
      continue;
    }
    *sqe = backlog_.front();
    backlog_.pop_front();
  }
}

void UringRing::poll_wake() {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_poll_add(&sqe, mailbox_->event_fd(), POLLIN);
  sqe.user_data = user_data(Tag::wake);
}

void UringRing::on_wake() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(mailbox_->event_fd(), &count, sizeof count);
  for (const LetterBox::Letter& letter : take_letters()) finish(letter.token, letter.value);
  if (!closing_) poll_wake();
}

std::span<const Completion> UringRing::wait() {
  completions_.clear();
  pieces_.clear();
  completions_.swap(ready_);
  for (const std::uint32_t slot : transfers_due_) transfer(slot);
  transfers_due_.clear();
  do {
    flush_backlog();
    enter();
    now_ = monotonic_now();
    const std::size_t before = completions_.size();
    // Checked before reap(), which may queue submissions of its own, such as the poll behind wake().
    const bool all_submitted = backlog_.empty() && io_uring_sq_ready(&ring_) == 0;
    reap();
    if (all_submitted) complete_quiet_sends(before);
    timers_.take_due(now_, [this](std::uint32_t slot) { complete(slot, 0); });
  } while (completions_.empty() && ready_.empty() && !woken_);
  woken_ = false;
  completions_.insert(completions_.end(), ready_.begin(), ready_.end());
  ready_.clear();
  point_at_pieces(completions_, pieces_);
  return completions_;
}

void UringRing::enter() {
  const bool block = completions_.empty() && ready_.empty() && backlog_.empty() && !woken_;
  int result = 0;
  if (!block) {
    result = io_uring_submit_and_get_events(&ring_);
  } else if (timers_.empty()) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else {
    const Duration left = std::max(ops_.at(timers_.first()).deadline() - monotonic_now(), Duration::zero());
    __kernel_timespec until{};
    until.tv_sec = left / std::chrono::seconds{1};
    until.tv_nsec = (left % std::chrono::seconds{1}).count();
    io_uring_cqe* cqe = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &until, nullptr);
  }
  // Without memory for a completion the kernel drops it and says so once (io_uring_enter(2)). What it reported is
  // lost, and with it the state of some connection.
  if (result == -EBADR) {
    end_process(
        "completions_lost",
        "kferry ends, because the kernel had no memory for completions of io_uring and has dropped some: "
        "give the host or the container more, or set backend = epoll in [engine]");
  }
  // EBUSY, EAGAIN: completions must be reaped first, or memory is short. What was queued stays queued.
  KFERRY_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
                result == -EAGAIN || result == -ENOMEM);
}

void UringRing::reap() {
  // One sweep. What it queues (polls, repeated receives) is submitted with the next entry into the kernel, so that no
  // socket monopolizes the turn.
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    on_cqe(*cqe);
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
}

void UringRing::on_cqe(const io_uring_cqe& cqe) {
  if ((cqe.user_data & message_bit) != 0) return finish(message_token(cqe.user_data), cqe.res);
  switch (tag_of(cqe.user_data)) {
    case Tag::wake:
      return on_wake();
    case Tag::cancellation:
    case Tag::probe:
      return;
    case Tag::operation:
      break;
  }
  const std::uint32_t slot = slot_of(cqe.user_data);
  KFERRY_ASSERT(slot < ops_.size());
  Op& op = ops_.at(slot);
  KFERRY_ASSERT(op.kind != OpKind::free && op.generation == generation_of(cqe.user_data));
  const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
  std::int32_t result = cqe.res;
  switch (op.kind) {
    case OpKind::receive:
      return on_receive(slot, cqe.res, cqe.flags);
    case OpKind::splice:
      if (!poll_over(slot, result, more)) return;
      if (result == -ECANCELED || (op.cancelled && result < 0)) return end_transfer(slot, true);
      return transfer(slot);
    case OpKind::poll:
    case OpKind::watch:
      if (poll_over(slot, result, more)) complete(slot, result);
      return;
    case OpKind::accept:
      if (more) return finish(op.token, cqe.res, true);
      if (cqe.res == -EINVAL && multishot_accept_) {
        multishot_accept_ = false;  // Linux before 5.19
        return submit(slot);
      }
      if (!op.cancelled && (cqe.res >= 0 || cqe.res == -ECONNABORTED || cqe.res == -EINTR)) {
        // The completion queue overflowed, or the kernel has no multishot accept. For the submitter it continues.
        if (cqe.res >= 0) finish(op.token, cqe.res, true);
        return submit(slot);
      }
      return complete(slot, cqe.res);
    case OpKind::send:
      if (op.quiet) std::erase(quiet_sends_, slot);
      return complete(slot, cqe.res);
    default:
      return complete(slot, cqe.res);
  }
}

void UringRing::on_receive(std::uint32_t slot, std::int32_t result, std::uint32_t flags) {
  Op& op = ops_.at(slot);
  if (result <= 0 || (flags & IORING_CQE_F_BUFFER) == 0) {
    KFERRY_ASSERT(result <= 0);
    if ((flags & IORING_CQE_F_BUFFER) != 0) {  // a buffer with nothing in it: return it at once
      std::vector<Piece> nothing;
      buffers_.collect(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT), 0, nothing);
      buffers_.recycle(nothing.front().id);
    }
    const bool again = (result == -ENOBUFS && buffers_.free() > 0) || result == -EINTR;
    if (again && !op.cancelled) {
      buffers_.top_up();
      return submit(slot);
    }
    return complete(slot, result);
  }
  const std::size_t before = pieces_.size();
  buffers_.collect(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT),
                   static_cast<std::size_t>(result), pieces_);
  const std::size_t count = pieces_.size() - before;
  if ((flags & IORING_CQE_F_MORE) != 0) {
    finish(op.token, result, true);
  } else {
    complete(slot, result);
  }
  completions_.back().pieces = {pieces_.data() + before, count};
}

// Completes the quiet sends that succeeded: the kernel reports only the others, and has done so when the submission
// returns, unless the completion queue overflowed. Puts them before the completions from index `before` on, which came
// later.
void UringRing::complete_quiet_sends(std::size_t before) {
  if (quiet_sends_.empty() || io_uring_cq_has_overflow(&ring_)) return;
  const std::size_t reaped = completions_.size();
  for (const std::uint32_t slot : quiet_sends_) complete(slot, static_cast<std::int32_t>(ops_.at(slot).size));
  quiet_sends_.clear();
  const auto at = [this](std::size_t n) { return completions_.begin() + static_cast<std::ptrdiff_t>(n); };
  std::rotate(at(before), at(reaped), completions_.end());
}

void UringRing::finish(Token token, std::int32_t result, bool more) {
  completions_.push_back(Completion{token, result, more, {}});
}

void UringRing::complete(std::uint32_t slot, std::int32_t result) {
  Op& op = ops_.at(slot);
  if (op.kind == OpKind::send) parcels_.give_back(op.extra);
  if (op.kind == OpKind::connect) addresses_.give_back(op.extra);
  if (op.kind == OpKind::message) {
    addressees_.at(op.extra).reset();
    addressees_.give_back(op.extra);
  }
  const Token token = op.token;
  ops_.release(slot);
  finish(token, result);
}

}  // namespace kferry::ring
