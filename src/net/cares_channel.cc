#include "net/cares_channel.h"

#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace kferry::net {
namespace {

// Two rounds over the servers. With c-ares doubling the attempt's time-out, they end within the default overall limit.
constexpr int tries = 2;

DnsAnswer answer_of(int status, ares_addrinfo* found) {
  DnsAnswer answer{.status = status, .addresses = {}};
  if (found == nullptr) return answer;
  for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
    const SocketAddress address(node->ai_addr, static_cast<socklen_t>(node->ai_addrlen));
    answer.ttl = std::min<Duration>(answer.ttl, std::chrono::seconds(node->ai_ttl));
    // A hosts file may list an address twice.
    if (address.empty() || std::ranges::find(answer.addresses, address) != answer.addresses.end()) continue;
    answer.addresses.push_back(address);
  }
  for (const ares_addrinfo_cname* alias = found->cnames; alias != nullptr; alias = alias->next) {
    answer.ttl = std::min<Duration>(answer.ttl, std::chrono::seconds(alias->ttl));
  }
  ares_freeaddrinfo(found);
  return answer;
}

}  // namespace

DnsFailure dns_failure(int status, const std::string& name) {
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
      // c-ares 1.18 also returns this for SERVFAIL and REFUSED answers, once every server has given one.
      return {false,
              "no DNS server could answer for " + name + " (unreachable, or SERVFAIL): check resolv.conf"};
    case ARES_ETIMEOUT:
      return {false, "no DNS server answered in time for " + name};
    default:
      return {false, std::string("DNS failed for ") + name + ": " + ares_strerror(status)};
  }
}

CaresChannel::CaresChannel(const CaresOptions& options, OnAnswer on_answer)
    : options_(options), on_answer_(std::move(on_answer)) {}

CaresChannel::~CaresChannel() {
  close();
}

CaresChannel::FileVersion CaresChannel::version_of(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

std::string CaresChannel::open() {
  // c-ares requires this once, before anything else. On Linux it leaves nothing to clean up.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return std::string("c-ares could not start: ") + ares_strerror(library);
  resolv_conf_ = version_of(options_.resolv_conf);
  return open_channel(channel_);
}

std::string CaresChannel::open_channel(ares_channel& channel) {
  ares_options wanted{};
  std::string lookups = "fb";  // the hosts file, then DNS, whatever nsswitch.conf says about other sources
  std::string resolv_conf = options_.resolv_conf;
  wanted.timeout =
      static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(options_.attempt_timeout).count());
  wanted.tries = tries;
  wanted.lookups = lookups.data();
  wanted.resolvconf_path = resolv_conf.data();
  wanted.sock_state_cb_data = this;
  wanted.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    auto& sockets = static_cast<CaresChannel*>(self)->sockets_;
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
  ares_channel made = nullptr;
  int status = ares_init_options(&made, &wanted,
                                 ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                     ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | port_option);
  if (status == ARES_SUCCESS && !options_.servers.empty()) {
    status = ares_set_servers_ports_csv(made, options_.servers.c_str());
    if (status != ARES_SUCCESS) ares_destroy(made);
  }
  if (status != ARES_SUCCESS) return std::string("no DNS channel: ") + ares_strerror(status);
  channel = made;
  return {};
}

bool CaresChannel::reopen_if_changed() {
  const FileVersion version = version_of(options_.resolv_conf);
  if (version == resolv_conf_) return false;
  ares_channel made = nullptr;
  if (!open_channel(made).empty()) return false;
  resolv_conf_ = version;
  ares_destroy(std::exchange(channel_, made));
  return true;
}

void CaresChannel::cancel() {
  ares_cancel(channel_);
}

void CaresChannel::close() {
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
}

void CaresChannel::ask(const std::string& name) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT | (options_.hosts_from_environment ? ARES_AI_ENVHOSTS : 0);
  auto* ticket = new Ticket{this, name};
  ares_getaddrinfo(
      channel_, ticket->name.c_str(), nullptr, &hints,
      [](void* argument, int status, int, ares_addrinfo* found) {
        const std::unique_ptr<Ticket> asked(static_cast<Ticket*>(argument));
        asked->channel->on_answer_(asked->name, answer_of(status, found));
      },
      ticket);
}

void CaresChannel::append_sockets(std::vector<pollfd>& polled) const {
  for (const auto& [socket, events] : sockets_)
    polled.push_back({.fd = socket, .events = events, .revents = 0});
}

void CaresChannel::process(std::span<const pollfd> polled) {
  for (const pollfd& each : polled) {
    // Handling an earlier socket may have closed this one.
    if (each.revents == 0 || !sockets_.contains(each.fd)) continue;
    ares_process_fd(channel_, (each.revents & ~POLLOUT) != 0 ? each.fd : ARES_SOCKET_BAD,
                    (each.revents & POLLOUT) != 0 ? each.fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // time-outs
}

int CaresChannel::timeout_ms() const {
  timeval next{};
  const timeval* const due = ares_timeout(channel_, nullptr, &next);
  return due == nullptr ? -1 : static_cast<int>(due->tv_sec * 1000 + due->tv_usec / 1000 + 1);
}

}  // namespace kferry::net
