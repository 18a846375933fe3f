// Sets a ring up, runs its turns and takes it down. The operations are in epoll_operations.cc.
#include "ring/epoll_ring.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "ring/collected_pieces.h"

namespace kferry::ring {
namespace {

constexpr Duration wait_max = std::chrono::hours{1};

// epoll_wait(2) counts in milliseconds. Rounded up, so that no timer fires early.
int milliseconds_until(Instant deadline) {
  constexpr Duration one = std::chrono::milliseconds{1};
  const Duration left = std::clamp(deadline - monotonic_now(), Duration::zero(), wait_max);
  return static_cast<int>((left + one - Duration{1}) / one);
}

}  // namespace

std::expected<std::unique_ptr<Ring>, std::string> EpollRing::create(const EpollOptions& options) {
  std::unique_ptr<EpollRing> ring(new EpollRing);
  if (auto opened = ring->open(options); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<Ring>(std::move(ring));
}

std::expected<void, std::string> EpollRing::open(const EpollOptions& options) {
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  int error = epoll_fd_ < 0 ? errno : -mailbox_->open();
  if (error == 0) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.fd = mailbox_->event_fd();
    if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, mailbox_->event_fd(), &event) != 0) error = errno;
  }
  if (error == EMFILE || error == ENFILE)
    return std::unexpected(std::string("out of file descriptors: raise LimitNOFILE (ulimit -n)"));
  if (error != 0)
    return std::unexpected(
        std::string("epoll cannot be set up: ") + std::strerror(error) +
        ": allow epoll_create1, epoll_ctl and eventfd2 in the container's seccomp profile");
  if (buffers_.open(options.buffer_count, options.buffer_size) != 0)
    return std::unexpected(std::string("no memory for the receive buffers: raise the memory limit"));
  now_ = monotonic_now();
  return {};
}

EpollRing::~EpollRing() {
  mailbox_->end();
  for (SpliceTransfer& transfer : transfers_) transfer.end(pipes_, true);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

void EpollRing::on_wake() {
  for (const LetterBox::Letter& letter : take_letters()) finish(letter.token, letter.value);
}

std::span<const Completion> EpollRing::wait() {
  pieces_.clear();
  taken_due_.swap(due_);
  for (const int fd : taken_due_) read(fd);
  taken_due_.clear();
  do {
    enter(pending_.empty() && !woken_);
    now_ = monotonic_now();
    timers_.take_due(now_, [this](std::uint32_t slot) { complete(slot, 0); });
  } while (pending_.empty() && !woken_);
  woken_ = false;
  completions_.swap(quiet_);
  quiet_.clear();
  completions_.insert(completions_.end(), pending_.begin(), pending_.end());
  pending_.clear();
  point_at_pieces(completions_, pieces_);
  return completions_;
}

void EpollRing::enter(bool block) {
  KFERRY_ASSERT(!block || due_.empty());
  int patience_ms = 0;
  if (block) patience_ms = timers_.empty() ? -1 : milliseconds_until(ops_.at(timers_.first()).deadline());
  const int count = ::epoll_wait(epoll_fd_, events_.data(), static_cast<int>(events_.size()), patience_ms);
  KFERRY_ASSERT(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) on_event(events_[static_cast<std::size_t>(i)]);
}

void EpollRing::on_event(const epoll_event& event) {
  const int fd = event.data.fd;
  if (fd == mailbox_->event_fd()) return on_wake();
  constexpr std::uint32_t unusual = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
  Interest& at = interest(fd);
  if ((event.events & unusual) != 0) at.short_is_dry = false;
  if ((event.events & (EPOLLIN | unusual)) != 0) at.readable = true;
  if ((event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) at.writable = true;
  read(fd);
  write(fd);
  check_polls(fd);
}

void EpollRing::finish(Token token, std::int64_t result, bool more) {
  pending_.push_back(Completion{token, static_cast<std::int32_t>(result), more, {}});
}

void EpollRing::complete(std::uint32_t slot, std::int64_t result) {
  const Op& op = ops_.at(slot);
  if (op.kind == OpKind::send && op.extra != Op::none) parcels_.give_back(op.extra);
  const Token token = op.token;
  ops_.release(slot);
  finish(token, result);
}

}  // namespace kferry::ring
