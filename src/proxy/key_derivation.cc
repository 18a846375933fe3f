#include "proxy/key_derivation.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "base/start_thread.h"

namespace kferry::proxy {

tls::Digest derive_key(const KeyOrder& order) {
  return tls::pbkdf2(order.hash, order.password.bytes(), order.salt, order.iterations);
}

std::optional<tls::Digest> KeyDerivation::Job::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(key_, std::nullopt);
}

void KeyDerivation::Job::abandon() {
  const std::scoped_lock lock(mutex_);
  notify_ = nullptr;
}

void KeyDerivation::Job::run() {
  {
    const std::scoped_lock lock(mutex_);
    if (!notify_) return;
  }
  tls::Digest key = derive_key(order_);
  const std::scoped_lock lock(mutex_);
  if (!notify_) return;
  key_ = key;
  notify_();
}

KeyDerivation::~KeyDerivation() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  ordered_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<KeyDerivation::Job> KeyDerivation::derive(KeyOrder order, std::function<void()> notify) {
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= waiting_max) return nullptr;
  if (!thread_.joinable()) {
    auto thread = start_thread([this] { serve(); });
    if (!thread) return nullptr;
    thread_ = std::move(*thread);
  }
  waiting_.push_back(std::make_shared<Job>(std::move(order), std::move(notify)));
  ordered_.notify_one();
  return waiting_.back();
}

void KeyDerivation::serve() {
  // Workers come first, but busy ones leave a tenth of a core: at 19 a derivation starves, and discovery times out.
  // Failure is not fatal.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10));
  std::unique_lock lock(mutex_);
  for (;;) {
    ordered_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job->run();
    lock.lock();
  }
}

}  // namespace kferry::proxy
