// The thread behind the resolver: it polls the channel's sockets beside an eventfd that requests arrive by. c-ares
// cannot cancel a single question, so a request that has waited long enough is answered while its question continues,
// and a late answer still goes into the cache.
#include "net/cares_resolver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/lower_case.h"
#include "base/start_thread.h"
#include "net/cares_channel.h"
#include "net/name_cache.h"

namespace kferry::net {
namespace {

struct Asker {
  std::uint64_t request = 0;
  std::uint16_t port = 0;
  std::shared_ptr<AnswerQueue> queue;
  Instant deadline{};
};

class CaresResolver final : public Resolver {
 public:
  explicit CaresResolver(CaresOptions options)
      : options_(std::move(options)),
        channel_(options_,
                 [this](const std::string& name, const DnsAnswer& answer) { on_answer(name, answer); }) {}
  ~CaresResolver() override;

  // The error is empty on success.
  std::string start();
  void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) override;
  void doubt(const std::string& host) override;

 private:
  struct Question {
    std::string name;
    Asker asker;  // without a queue: the name is doubted
  };
  // One per name in question, until the channel has answered.
  struct Lookup {
    std::vector<Asker> askers;
    Instant ends{};  // the question is given up then, once no request waits for it
  };

  void post(Question question);
  void run();
  void look_up(Question question);
  void on_answer(const std::string& name, const DnsAnswer& answer);
  void answer_all(const std::string& name, Lookup& lookup);
  void expire(Instant now);
  void poll_once();
  int poll_timeout_ms() const;
  void wake();

  const CaresOptions options_;
  int wake_fd_ = -1;
  std::thread thread_;

  std::mutex mutex_;
  std::vector<Question> inbox_;
  bool stopping_ = false;

  // --- used by the thread alone
  CaresChannel channel_;
  bool ending_ = false;
  NameCache cache_{CacheRules{}};
  std::unordered_map<std::string, Lookup> lookups_;
  std::vector<pollfd> polled_;
  std::vector<std::string> aborted_;               // names to ask again on the next channel
  std::multimap<Instant, std::string> deadlines_;  // of askers and lookups
};

CaresResolver::~CaresResolver() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake();
    thread_.join();
  }
  if (wake_fd_ >= 0) close(wake_fd_);
}

std::string CaresResolver::start() {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return std::string("no eventfd for the resolver: ") + std::strerror(errno);
  if (std::string error = channel_.open(); !error.empty()) return error;
  auto thread = start_thread([this] { run(); });
  if (!thread) return thread.error();
  thread_ = std::move(*thread);
  return {};
}

void CaresResolver::resolve(std::uint64_t request, const HostPort& where,
                            std::shared_ptr<AnswerQueue> queue) {
  const auto port = static_cast<std::uint16_t>(where.port);
  if (const auto literal = SocketAddress::parse(where.host, port)) {
    queue->push({.request = request, .addresses = {*literal}});
    return;
  }
  post({lower_case(where.host), {request, port, std::move(queue), {}}});
}

void CaresResolver::doubt(const std::string& host) {
  if (!SocketAddress::parse(host, 0)) post({lower_case(host), {}});
}

void CaresResolver::post(Question question) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(question));
    if (inbox_.size() > 1) return;  // the thread has been woken already
  }
  wake();
}

void CaresResolver::wake() {
  const std::uint64_t one = 1;
  // Fails only if the counter is full, in which case the thread is awake.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

void CaresResolver::run() {
  std::vector<Question> questions;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
      questions.swap(inbox_);
    }
    for (Question& question : questions) look_up(std::move(question));
    questions.clear();
    expire(monotonic_now());
    poll_once();
  }
  // close() aborts every open question, which calls on_answer().
  ending_ = true;
  channel_.close();
  lookups_.clear();
}

void CaresResolver::look_up(Question question) {
  const Instant now = monotonic_now();
  if (question.asker.queue == nullptr) return cache_.doubt(question.name);
  if (cache_.fresh(question.name, now)) {
    const Asker& asker = question.asker;
    asker.queue->push(cache_.answer(question.name, asker.request, asker.port, now));
    return;
  }
  question.asker.deadline =
      now + (cache_.has_addresses(question.name) ? std::min(options_.patience, options_.timeout)
                                                 : options_.timeout);
  deadlines_.emplace(question.asker.deadline, question.name);
  const auto [lookup, is_new] = lookups_.try_emplace(question.name);
  lookup->second.askers.push_back(std::move(question.asker));
  if (!is_new) return;
  lookup->second.ends = now + options_.timeout;
  deadlines_.emplace(lookup->second.ends, question.name);
  // Checked once per question, which costs one stat(2).
  if (channel_.reopen_if_changed())
    for (const std::string& name : std::exchange(aborted_, {})) channel_.ask(name);
  channel_.ask(question.name);
}

void CaresResolver::on_answer(const std::string& name, const DnsAnswer& answer) {
  if (ending_) return;
  const auto lookup = lookups_.find(name);
  KFERRY_ASSERT(lookup != lookups_.end());
  if (answer.aborted()) {
    if (lookup->second.askers.empty()) {
      lookups_.erase(lookup);
    } else {
      aborted_.push_back(name);
    }
    return;
  }
  const Instant now = monotonic_now();
  if (answer.status == ARES_SUCCESS && !answer.addresses.empty()) {
    cache_.learn(name, answer.addresses, answer.ttl, now);
  } else {
    auto [authoritative, text] =
        dns_failure(answer.status == ARES_SUCCESS ? ARES_ENODATA : answer.status, name);
    cache_.fail(name, std::move(text), authoritative, now);
  }
  answer_all(name, lookup->second);
  lookups_.erase(lookup);
}

void CaresResolver::answer_all(const std::string& name, Lookup& lookup) {
  const Instant now = monotonic_now();
  for (const Asker& asker : lookup.askers) {
    asker.queue->push(cache_.answer(name, asker.request, asker.port, now));
  }
  lookup.askers.clear();
}

void CaresResolver::expire(Instant now) {
  bool expired = false;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::string name = std::move(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    const auto lookup = lookups_.find(name);
    if (lookup == lookups_.end()) continue;
    expired = true;
    auto& askers = lookup->second.askers;
    std::vector<Asker> late;
    std::ranges::copy_if(askers, std::back_inserter(late), [&](const Asker& a) { return a.deadline <= now; });
    if (late.empty()) continue;
    const Duration waited = cache_.has_addresses(name) ? options_.patience : options_.timeout;
    const auto seconds = std::chrono::duration<double>(waited).count();
    cache_.fail(name,
                dns_failure(ARES_ETIMEOUT, name).text + " (" + std::to_string(seconds).substr(0, 4) + " s)",
                false, now);
    for (const Asker& asker : late) asker.queue->push(cache_.answer(name, asker.request, asker.port, now));
    std::erase_if(askers, [&](const Asker& a) { return a.deadline <= now; });
  }
  const auto none_waiting = [&] {
    return std::ranges::all_of(
        lookups_, [&](const auto& each) { return each.second.askers.empty() && each.second.ends <= now; });
  };
  if (expired && none_waiting()) channel_.cancel();
}

void CaresResolver::poll_once() {
  polled_.clear();
  polled_.push_back({.fd = wake_fd_, .events = POLLIN, .revents = 0});
  channel_.append_sockets(polled_);
  const int ready = poll(polled_.data(), polled_.size(), poll_timeout_ms());
  KFERRY_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
  if (ready > 0 && polled_.front().revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = read(wake_fd_, &count, sizeof count);
  }
  channel_.process(ready > 0 ? std::span(polled_).subspan(1) : std::span<pollfd>());
}

int CaresResolver::poll_timeout_ms() const {
  const int wait = channel_.timeout_ms();
  if (deadlines_.empty()) return wait;
  const Duration left = std::max<Duration>(deadlines_.begin()->first - monotonic_now(), Duration{});
  const int until = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
  return wait < 0 ? until : std::min(wait, until);
}

}  // namespace

std::expected<std::unique_ptr<Resolver>, std::string> start_cares_resolver(CaresOptions options) {
  auto resolver = std::make_unique<CaresResolver>(std::move(options));
  if (std::string error = resolver->start(); !error.empty()) return std::unexpected(std::move(error));
  return resolver;
}

}  // namespace kferry::net
