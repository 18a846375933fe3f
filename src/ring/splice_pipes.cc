#include "ring/splice_pipes.h"

#include <fcntl.h>
#include <unistd.h>

namespace kferry::ring {

SplicePipes::~SplicePipes() {
  for (const Pipe& pipe : kept_) destroy(pipe);
}

Pipe SplicePipes::take() {
  if (!kept_.empty()) {
    const Pipe pipe = kept_.back();
    kept_.pop_back();
    return pipe;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return {};
  // Past pipe-user-pages-soft (64 MiB) an unprivileged process is refused: smaller ones do, at more system
  // calls.
  for (std::size_t size = pipe_size; size > 65536; size /= 2)
    if (::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(size)) >= 0) break;
  return Pipe{ends[0], ends[1]};
}

void SplicePipes::give_back_empty(Pipe pipe) {
  if (kept_.size() < kept_max) {
    kept_.push_back(pipe);
  } else {
    destroy(pipe);
  }
}

void SplicePipes::destroy(Pipe pipe) {
  ::close(pipe.read_end);
  ::close(pipe.write_end);
}

}  // namespace kferry::ring
