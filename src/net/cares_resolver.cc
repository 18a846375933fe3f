// c-ares 1.18 has no event thread: it says which sockets it wants watched (ARES_OPT_SOCK_STATE_CB), and this
// thread polls them beside an eventfd by which requests arrive. It cannot cancel one question, only all of a
// channel; so a request that has waited long enough is answered here while its question goes on, and what it
// still brings is learnt.
#include "net/cares_resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "net/name_cache.h"

namespace kferry::net {
namespace {

// Two rounds over the servers; with the attempt's doubling time-out, within the default overall limit.
constexpr int tries = 2;

std::string lower_case(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

// Which resolv.conf was read; all zero when there is none.
struct FileVersion {
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

FileVersion version_of(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

struct Verdict {
  bool authoritative = false;
  std::string text;
};

Verdict judge(int status, const std::string& name) {
  switch (status) {
    case ARES_ENOTFOUND:
      return {true, "DNS has no such name: " + name};
    case ARES_ENODATA:
      return {true, "DNS has no address for " + name};
    case ARES_EBADNAME:
      return {true, "not a name that DNS could know: " + name};
    case ARES_ESERVFAIL:
      return {false, "DNS server failure (SERVFAIL) for " + name};
    case ARES_EREFUSED:
      return {false, "the DNS server refused to answer for " + name};
    case ARES_ECONNREFUSED:
      // c-ares 1.18 says this of SERVFAIL and REFUSED answers too, once every server has given one.
      return {false,
              "no DNS server could answer for " + name + " (unreachable, or SERVFAIL): check resolv.conf"};
    case ARES_ETIMEOUT:
      return {false, "no DNS server answered in time for " + name};
    default:
      return {false, std::string("DNS failed for ") + name + ": " + ares_strerror(status)};
  }
}

struct Asker {
  std::uint64_t request = 0;
  std::uint16_t port = 0;
  std::shared_ptr<AnswerQueue> queue;
  Instant deadline{};
};

class CaresResolver final : public Resolver {
 public:
  explicit CaresResolver(CaresOptions options) : options_(std::move(options)) {}
  ~CaresResolver() override;

  // Empty when well.
  std::string start();
  void resolve(std::uint64_t request, const HostPort& where, std::shared_ptr<AnswerQueue> queue) override;

 private:
  struct Question {
    std::string name;
    Asker asker;
  };
  // One per name being asked; lives until c-ares has called back.
  struct Lookup {
    std::vector<Asker> askers;
  };
  // What c-ares carries for us through its C callback, which takes it over again.
  struct Ticket {
    CaresResolver* resolver;
    std::string name;
  };

  void run();
  void take(Question question);
  void ask(const std::string& name);
  void on_answer(const std::string& name, int status, ares_addrinfo* found);
  void answer_all(const std::string& name, Lookup& lookup);
  void expire(Instant now);
  void process();
  void watch_resolv_conf();
  int poll_timeout_ms();
  std::expected<ares_channel, std::string> open_channel();
  void wake();

  const CaresOptions options_;
  int wake_fd_ = -1;
  std::thread thread_;

  std::mutex mutex_;
  std::vector<Question> inbox_;
  bool stopping_ = false;

  // The thread's own.
  ares_channel channel_ = nullptr;
  bool ending_ = false;
  FileVersion resolv_conf_;
  NameCache cache_{CacheRules{}};
  std::unordered_map<std::string, Lookup> lookups_;
  std::unordered_map<int, short> sockets_;
  std::vector<pollfd> polled_;
  std::vector<std::string> again_;  // cut off by a channel's end, to be asked on the next
  std::deque<std::pair<Instant, std::string>> deadlines_;
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
  if (channel_ != nullptr) ares_destroy(channel_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

std::string CaresResolver::start() {
  // c-ares wants this before anything else and once; nothing is there to be cleaned up on Linux.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return std::string("c-ares could not start: ") + ares_strerror(library);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return std::string("no eventfd for the resolver: ") + std::strerror(errno);
  resolv_conf_ = version_of(options_.resolv_conf);
  auto channel = open_channel();
  if (!channel) return std::move(channel).error();
  channel_ = *channel;
  // Signals are for the main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

void CaresResolver::resolve(std::uint64_t request, const HostPort& where,
                            std::shared_ptr<AnswerQueue> queue) {
  const auto port = static_cast<std::uint16_t>(where.port);
  if (const auto literal = SocketAddress::parse(where.host, port)) {
    queue->push({.request = request, .addresses = {*literal}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(
        {lower_case(where.host), {request, port, std::move(queue), monotonic_now() + options_.timeout}});
    if (inbox_.size() > 1) return;  // the thread was woken already
  }
  wake();
}

void CaresResolver::wake() {
  const std::uint64_t one = 1;
  // It fails only when the counter is full: then the thread is awake.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

std::expected<ares_channel, std::string> CaresResolver::open_channel() {
  ares_options wanted{};
  std::string lookups = "fb";  // the hosts file, then DNS, whatever nsswitch.conf says of other sources
  std::string resolv_conf = options_.resolv_conf;
  wanted.timeout =
      static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(options_.attempt_timeout).count());
  wanted.tries = tries;
  wanted.lookups = lookups.data();
  wanted.resolvconf_path = resolv_conf.data();
  wanted.sock_state_cb_data = this;
  wanted.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    auto& sockets = static_cast<CaresResolver*>(self)->sockets_;
    if (readable == 0 && writable == 0) {
      sockets.erase(socket);
    } else {
      sockets[socket] = static_cast<short>((readable != 0 ? POLLIN : 0) | (writable != 0 ? POLLOUT : 0));
    }
  };
  int port_option = 0;
  if (options_.port != 0) {
    wanted.udp_port = options_.port;
    wanted.tcp_port = options_.port;
    port_option = ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
  }
  ares_channel channel = nullptr;
  int status = ares_init_options(&channel, &wanted,
                                 ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                     ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | port_option);
  if (status == ARES_SUCCESS && !options_.servers.empty()) {
    status = ares_set_servers_ports_csv(channel, options_.servers.c_str());
    if (status != ARES_SUCCESS) ares_destroy(channel);
  }
  if (status != ARES_SUCCESS) return std::unexpected(std::string("no DNS channel: ") + ares_strerror(status));
  return channel;
}

void CaresResolver::run() {
  std::vector<Question> questions;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
      questions.swap(inbox_);
    }
    for (Question& question : questions) take(std::move(question));
    questions.clear();
    expire(monotonic_now());
    process();
  }
  // Inside this call every open question calls back with ARES_EDESTRUCTION; the askers get nothing more.
  ending_ = true;
  ares_destroy(std::exchange(channel_, nullptr));
  lookups_.clear();
}

void CaresResolver::take(Question question) {
  const Instant now = monotonic_now();
  if (cache_.fresh(question.name, now)) {
    const Asker& asker = question.asker;
    asker.queue->push(cache_.answer(question.name, asker.request, asker.port, now));
    return;
  }
  deadlines_.emplace_back(question.asker.deadline, question.name);
  const auto [lookup, is_new] = lookups_.try_emplace(question.name);
  lookup->second.askers.push_back(std::move(question.asker));
  if (!is_new) return;
  watch_resolv_conf();
  ask(question.name);
}

void CaresResolver::ask(const std::string& name) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT | (options_.hosts_from_environment ? ARES_AI_ENVHOSTS : 0);
  auto* ticket = new Ticket{this, name};
  // May call back before it returns.
  ares_getaddrinfo(
      channel_, ticket->name.c_str(), nullptr, &hints,
      [](void* argument, int status, int, ares_addrinfo* found) {
        const std::unique_ptr<Ticket> own(static_cast<Ticket*>(argument));
        own->resolver->on_answer(own->name, status, found);
      },
      ticket);
}

void CaresResolver::on_answer(const std::string& name, int status, ares_addrinfo* found) {
  std::vector<SocketAddress> addresses;
  Duration ttl = Duration::max();
  if (found != nullptr) {
    for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
      const SocketAddress address(node->ai_addr, static_cast<socklen_t>(node->ai_addrlen));
      ttl = std::min<Duration>(ttl, std::chrono::seconds(node->ai_ttl));
      // A hosts file may name an address twice.
      if (address.empty() || std::find(addresses.begin(), addresses.end(), address) != addresses.end())
        continue;
      addresses.push_back(address);
    }
    for (const ares_addrinfo_cname* alias = found->cnames; alias != nullptr; alias = alias->next) {
      ttl = std::min<Duration>(ttl, std::chrono::seconds(alias->ttl));
    }
    ares_freeaddrinfo(found);
  }
  if (ending_) return;
  const auto lookup = lookups_.find(name);
  KFERRY_ASSERT(lookup != lookups_.end());
  if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
    if (lookup->second.askers.empty()) {
      lookups_.erase(lookup);
    } else {
      again_.push_back(name);
    }
    return;
  }
  const Instant now = monotonic_now();
  if (status == ARES_SUCCESS && !addresses.empty()) {
    cache_.learn(name, addresses, ttl, now);
  } else {
    auto [authoritative, text] = judge(status == ARES_SUCCESS ? ARES_ENODATA : status, name);
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
  while (!deadlines_.empty() && deadlines_.front().first <= now) {
    const std::string name = std::move(deadlines_.front().second);
    deadlines_.pop_front();
    const auto lookup = lookups_.find(name);
    if (lookup == lookups_.end()) continue;
    auto& askers = lookup->second.askers;
    const auto later =
        std::find_if(askers.begin(), askers.end(), [&](const Asker& a) { return a.deadline > now; });
    if (later == askers.begin()) continue;
    const auto seconds = std::chrono::duration<double>(options_.timeout).count();
    cache_.fail(name, judge(ARES_ETIMEOUT, name).text + " (" + std::to_string(seconds).substr(0, 4) + " s)",
                false, now);
    for (auto asker = askers.begin(); asker != later; ++asker) {
      asker->queue->push(cache_.answer(name, asker->request, asker->port, now));
    }
    askers.erase(askers.begin(), later);
    expired = true;
  }
  const auto nobody_waits = [&] {
    return std::all_of(lookups_.begin(), lookups_.end(),
                       [](const auto& each) { return each.second.askers.empty(); });
  };
  // Nobody waits for any of them: they need not go on asking.
  if (expired && nobody_waits()) ares_cancel(channel_);
}

void CaresResolver::process() {
  polled_.clear();
  polled_.push_back({.fd = wake_fd_, .events = POLLIN, .revents = 0});
  for (const auto& [socket, events] : sockets_)
    polled_.push_back({.fd = socket, .events = events, .revents = 0});
  const int ready = poll(polled_.data(), polled_.size(), poll_timeout_ms());
  KFERRY_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
  if (ready > 0 && polled_.front().revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = read(wake_fd_, &count, sizeof count);
  }
  for (std::size_t i = 1; ready > 0 && i < polled_.size(); ++i) {
    const pollfd& each = polled_[i];
    // An earlier answer of this turn may have closed it.
    if (each.revents == 0 || !sockets_.contains(each.fd)) continue;
    ares_process_fd(channel_, (each.revents & ~POLLOUT) != 0 ? each.fd : ARES_SOCKET_BAD,
                    (each.revents & POLLOUT) != 0 ? each.fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // its time-outs
}

int CaresResolver::poll_timeout_ms() {
  timeval next{};
  int wait = -1;
  if (const timeval* due = ares_timeout(channel_, nullptr, &next); due != nullptr) {
    wait = static_cast<int>(due->tv_sec * 1000 + due->tv_usec / 1000 + 1);
  }
  if (!deadlines_.empty()) {
    const Duration left = std::max<Duration>(deadlines_.front().first - monotonic_now(), Duration{});
    const int until = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
    wait = wait < 0 ? until : std::min(wait, until);
  }
  return wait;
}

// Looked at when something is to be asked, and only then: once per question costs one stat.
void CaresResolver::watch_resolv_conf() {
  const FileVersion version = version_of(options_.resolv_conf);
  if (version == resolv_conf_) return;
  auto channel = open_channel();
  if (!channel) return;  // the old one is better than none; looked at again with the next question
  resolv_conf_ = version;
  ares_destroy(std::exchange(channel_, *channel));
  for (const std::string& name : std::exchange(again_, {})) ask(name);
}

}  // namespace

std::expected<std::unique_ptr<Resolver>, std::string> start_cares_resolver(CaresOptions options) {
  auto resolver = std::make_unique<CaresResolver>(std::move(options));
  if (std::string error = resolver->start(); !error.empty()) return std::unexpected(std::move(error));
  return resolver;
}

}  // namespace kferry::net
