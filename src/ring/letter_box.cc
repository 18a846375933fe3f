#include "ring/letter_box.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace kferry::ring {

LetterBox::~LetterBox() {
  if (event_fd_ >= 0) ::close(event_fd_);
  if (ring_fd_ >= 0) ::close(ring_fd_);
}

int LetterBox::open() {
  event_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return event_fd_ >= 0 ? 0 : -errno;
}

int LetterBox::post(Token token, std::int32_t value) {
  const std::lock_guard lock(mutex_);
  if (ended_) return -EOWNERDEAD;
  if (letters_.size() >= letters_max) return -EOVERFLOW;
  letters_.push_back({token, value});
  wake();
  return 0;
}

void LetterBox::wake() {
  const std::uint64_t one = 1;
  // A full counter (EAGAIN) has woken the ring already.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof one);
}

bool LetterBox::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void LetterBox::take(std::vector<Letter>& letters) {
  const std::lock_guard lock(mutex_);
  letters.swap(letters_);
}

void LetterBox::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
}

}  // namespace kferry::ring
