#include "ring/splice_pipes.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/assert.h"

namespace kferry::ring {
namespace {

void close_both(Pipe pipe) {
  ::close(pipe.read_end);
  ::close(pipe.write_end);
}

}  // namespace

SplicePipes::~SplicePipes() {
  for (const Pipe& pipe : kept_) close_both(pipe);
}

Pipe SplicePipes::take() {
  if (out_ == out_max) return {};
  if (!kept_.empty()) {
    const Pipe pipe = kept_.back();
    kept_.pop_back();
    ++out_;
    return pipe;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return {};
  // Beyond pipe-user-pages-soft (64 MiB) the kernel refuses unprivileged processes. Smaller pipes work, with more
  // system calls.
  for (std::size_t size = pipe_size; size > 65536; size /= 2)
    if (::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(size)) >= 0) break;
  ++out_;
  return Pipe{ends[0], ends[1]};
}

void SplicePipes::give_back_empty(Pipe pipe) {
  KFERRY_ASSERT(out_ > 0);
  --out_;
  if (kept_.size() < kept_max) {
    kept_.push_back(pipe);
  } else {
    close_both(pipe);
  }
}

void SplicePipes::destroy(Pipe pipe) {
  KFERRY_ASSERT(out_ > 0);
  --out_;
  close_both(pipe);
}

}  // namespace kferry::ring
