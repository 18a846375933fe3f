// The mailbox of a real ring: a queue that other threads fill, and an eventfd that they wake the ring with. A ring with
// MSG_RING adds its descriptor, and messages then bypass the queue. A mailbox may outlive its ring; post() then fails
// with -EOWNERDEAD.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

class LetterBox final : public Mailbox, public std::enable_shared_from_this<LetterBox> {
 public:
  struct Letter {
    Token token;
    std::int32_t value = 0;
  };

  LetterBox() = default;
  ~LetterBox() override;
  LetterBox(const LetterBox&) = delete;
  LetterBox& operator=(const LetterBox&) = delete;

  // 0 or -errno.
  int open();
  // Readable after a post() or a wake(). Non-blocking.
  int event_fd() const { return event_fd_; }

  // Before another thread can hold the mailbox: takes over a descriptor of the ring.
  void set_ring_fd(int fd) { ring_fd_ = fd; }

  // --- any thread
  // The ring's descriptor, for MSG_RING; negative if messages go through the queue.
  int ring_fd() const { return ring_fd_; }
  // 0, or -errno if nothing was posted.
  int post(Token token, std::int32_t value);
  void wake();
  bool ended();

  // --- the ring's thread
  // Moves what was posted, in order, into `letters`, which must be empty.
  void take(std::vector<Letter>& letters);
  // Makes every later post() fail.
  void end();

 private:
  static constexpr std::size_t letters_max = 4096;

  std::mutex mutex_;
  int event_fd_ = -1;
  int ring_fd_ = -1;
  bool ended_ = false;
  std::vector<Letter> letters_;
};

}  // namespace kferry::ring
