#include "ring/splice_transfer.h"

#include <fcntl.h>
#include <sys/types.h>

#include <cerrno>
#include <utility>

namespace kferry::ring {
namespace {

// Bytes moved before other operations get their turn.
constexpr std::uint64_t turn_max = 4 * SplicePipes::pipe_size;

}  // namespace

SpliceTransfer::Need SpliceTransfer::done(std::int64_t result) {
  result_ = result;
  return Need::nothing;
}

SpliceTransfer::Need SpliceTransfer::step(SplicePipes& pipes) {
  const unsigned flags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;
  dry_ = false;
  while (true) {
    const auto left = static_cast<std::int64_t>(left_);
    if (held_ > 0) {
      const ssize_t sent = ::splice(pipe_.read_end, nullptr, to_, nullptr, held_, flags);
      if (sent > 0) {
        held_ -= static_cast<std::uint64_t>(sent);
        left_ += static_cast<std::uint64_t>(sent);
        continue;
      }
      if (sent < 0 && errno == EINTR) continue;
      if (sent == 0 || errno != EAGAIN) return done(-EPIPE);
      return Need::room;
    }
    if (left_ == wanted_ || left_ >= turn_max) return done(left);
    if (pipe_.read_end < 0) {
      pipe_ = pipes.take();
      if (pipe_.read_end < 0) return done(left > 0 ? left : -ENOBUFS);
    }
    const ssize_t got = ::splice(from_, nullptr, pipe_.write_end, nullptr, wanted_ - left_, flags);
    if (got > 0) {
      held_ = static_cast<std::uint64_t>(got);
    } else if (got == 0) {
      return done(left);  // the next splice finds the end again
    } else if (errno == EAGAIN) {
      dry_ = true;
      if (left > 0) return done(left);
      pipes.give_back_empty(std::exchange(pipe_, Pipe{}));
      return Need::input;
    } else if (errno == EINVAL) {
      return done(left > 0 ? left : -EINVAL);  // a non-data TLS record; the next splice finds it again
    } else if (errno != EINTR) {
      return done(-errno);  // a reset, even after bytes: a truncated stream must not look complete
    }
  }
}

std::int32_t SpliceTransfer::end(SplicePipes& pipes, bool cancelled) {
  if (cancelled) {
    if (held_ > 0) {
      result_ = -ECONNABORTED;  // bytes are lost with the pipe: this direction cannot continue
    } else {
      result_ = left_ > 0 ? static_cast<std::int64_t>(left_) : -ECANCELED;
    }
  }
  if (pipe_.read_end >= 0) {
    if (held_ == 0) {
      pipes.give_back_empty(pipe_);
    } else {
      pipes.destroy(pipe_);
    }
    pipe_ = Pipe{};
  }
  return static_cast<std::int32_t>(result_);
}

}  // namespace kferry::ring
