#include "net/resolver.h"

#include <netinet/in.h>

#include <condition_variable>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace kferry::net {

void AnswerQueue::push(Answer answer) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  answers_.push_back(std::move(answer));
  any_.store(true, std::memory_order_release);
  if (answers_.size() == 1 && notify_) notify_();
}

std::vector<Answer> AnswerQueue::drain() {
  if (!any_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(mutex_);
  any_.store(false, std::memory_order_relaxed);
  return std::exchange(answers_, {});
}

void AnswerQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  answers_.clear();
  notify_ = nullptr;
}

SocketAddress with_port(const SocketAddress& address, std::uint16_t port) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address.get(), address.size());
  if (address.family() == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
  }
  return {reinterpret_cast<const sockaddr*>(&storage), address.size()};
}

std::vector<SocketAddress> ipv4_first(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> ordered;
  ordered.reserve(addresses.size());
  for (const bool v4 : {true, false}) {
    for (const SocketAddress& address : addresses) {
      if ((address.family() == AF_INET) == v4) ordered.push_back(address);
    }
  }
  return ordered;
}

Answer resolve_and_wait(Resolver& resolver, const HostPort& where) {
  std::mutex mutex;
  std::condition_variable arrived;
  bool has_arrived = false;
  const auto queue = std::make_shared<AnswerQueue>([&] {
    const std::lock_guard lock(mutex);
    has_arrived = true;
    arrived.notify_one();
  });
  resolver.resolve(0, where, queue);
  {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return has_arrived; });
  }
  auto answers = queue->drain();
  queue->close();
  KFERRY_ASSERT(answers.size() == 1);
  return std::move(answers.front());
}

}  // namespace kferry::net
