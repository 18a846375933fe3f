// Derives keys from passwords (PBKDF2, RFC 8018) on a thread of its own: a server chooses the number of iterations, and
// a million of them take more than a second, which no worker may lose. One thread per process, started by the first
// order; orders are served one at a time, and at most waiting_max wait.
//
//   discovery ── derive(order, notify) ──▶ its thread ── notify() ──▶ the worker's ring ── take() ──▶ discovery
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/secret.h"
#include "tls/digests.h"

namespace kferry::proxy {

struct KeyOrder {
  tls::Hash hash = tls::Hash::sha256;
  Secret password{};
  std::vector<std::byte> salt{};
  std::uint32_t iterations = 1;
};

// Derives at once, on the calling thread.
tls::Digest derive_key(const KeyOrder& order);

class KeyDerivation {
 public:
  static constexpr std::size_t waiting_max = 64;

  // Shared by who asks and the thread.
  class Job {
   public:
    Job(KeyOrder order, std::function<void()> notify)
        : order_(std::move(order)), notify_(std::move(notify)) {}
    // The key, once, after it has been derived.
    std::optional<tls::Digest> take();
    // The key is not wanted any more. Once this has returned, `notify` is never called.
    void abandon();

   private:
    friend class KeyDerivation;
    void run();

    const KeyOrder order_;
    std::mutex mutex_;
    std::function<void()> notify_;  // empty: abandoned
    std::optional<tls::Digest> key_;
  };

  KeyDerivation() = default;
  KeyDerivation(const KeyDerivation&) = delete;
  KeyDerivation& operator=(const KeyDerivation&) = delete;
  // Drops what waits, and waits for the key that is being derived.
  ~KeyDerivation();

  // Any thread. `notify` is called on the derivation's thread when the key can be taken; it must be short and must not
  // call the job, as Ring::wake(). nullptr: too many orders wait already, or the host has no thread left.
  std::shared_ptr<Job> derive(KeyOrder order, std::function<void()> notify);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable ordered_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kferry::proxy
