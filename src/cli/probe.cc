#include "cli/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <expected>
#include <set>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "net/cares_resolver.h"

namespace kferry::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view client_id = "kferry-probe";

// A Metadata answer may name any number; a person reads so many.
constexpr std::size_t brokers_max = 1000;

std::string printable(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return text;
}

std::string milliseconds(Duration time) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1f ms",
                                 std::chrono::duration<double, std::milli>(time).count());
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string reason(int error) {
  return std::generic_category().message(error);
}

// One blocking conversation with a deadline: the socket never blocks, poll waits.
class Line {
 public:
  Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { hang_up(); }

  // Empty when connected.
  std::string connect(const SocketAddress& address, Clock::time_point deadline) {
    hang_up();
    deadline_ = deadline;
    fd_ = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return reason(errno);
    if (::connect(fd_, address.get(), address.size()) == 0) return {};
    if (errno != EINPROGRESS) return reason(errno);
    if (!wait(POLLOUT)) return "no answer to the TCP connect: is a firewall in between?";
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == ECONNREFUSED) return "connection refused: nothing listens there";
    return error == 0 ? std::string() : reason(error);
  }

  // Sends a request and gives the answer without its length. The failure is for a person.
  std::expected<std::vector<std::byte>, std::string> ask(std::span<const std::byte> request,
                                                         Clock::time_point deadline) {
    deadline_ = deadline;
    while (!request.empty()) {
      const ssize_t sent = send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        request = request.subspan(static_cast<std::size_t>(sent));
      } else if (errno != EAGAIN && errno != EINTR) {
        return std::unexpected("sending failed: " + reason(errno));
      } else if (!wait(POLLOUT)) {
        return std::unexpected("the other side takes no request: it accepts connections and does not read");
      }
    }
    std::array<std::byte, 4> first{};
    if (auto failure = fill(first); !failure.empty()) return std::unexpected(std::move(failure));
    const auto size = proxy::frame_size(first);
    if (!size) return std::unexpected(size.error().text);
    std::vector<std::byte> frame(*size);
    if (auto failure = fill(frame); !failure.empty()) return std::unexpected(std::move(failure));
    return frame;
  }

 private:
  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  bool wait(short events) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd waiting{.fd = fd_, .events = events, .revents = 0};
      const int ready = poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
      if (ready >= 0 || errno != EINTR) return ready > 0;
    }
  }

  std::string fill(std::span<std::byte> into) {
    while (!into.empty()) {
      const ssize_t size = recv(fd_, into.data(), into.size(), 0);
      if (size > 0) {
        into = into.subspan(static_cast<std::size_t>(size));
      } else if (size == 0) {
        return "closed without an answer: it wants TLS or SASL first, or is not a Kafka listener";
      } else if (errno != EAGAIN && errno != EINTR) {
        return "reset without an answer (" + reason(errno) + "): it wants TLS, or is not a Kafka listener";
      } else if (!wait(POLLIN)) {
        return "connected, but no answer in time: it may want TLS, or the broker behind it hangs";
      }
    }
    return {};
  }

  int fd_ = -1;
  Clock::time_point deadline_;
};

void print(const std::string& line) {
  std::printf("%s\n", line.c_str());
}

std::string told(const ProbeStep& step) {
  const std::string where = step.address.empty() ? std::string() : step.address + "  ";
  if (!step.failure.empty()) return where + "FAILED  " + step.failure;
  return where + "connect " + milliseconds(step.connect_time) + ", ApiVersions " +
         milliseconds(step.answer_time) + ", " + std::to_string(step.apis) + " APIs";
}

}  // namespace

ProbeFinding probe_broker(net::Resolver& resolver, const HostPort& where, Duration timeout,
                          bool with_metadata) {
  ProbeFinding finding;
  ProbeStep& step = finding.bootstrap;
  const net::Answer answer = net::resolve_and_wait(resolver, where);
  if (answer.addresses.empty()) {
    step.failure = printable(answer.error);
    return finding;
  }
  Line line;
  for (const SocketAddress& address : answer.addresses) {
    step.address = address.text();
    const auto began = Clock::now();
    step.failure = line.connect(address, began + timeout);
    if (!step.failure.empty()) continue;
    const auto connected = Clock::now();
    step.connect_time = connected - began;
    const CorrelationId first{1};
    const auto frame = line.ask(proxy::encode_api_versions(first, client_id), connected + timeout);
    step.answer_time = Clock::now() - connected;
    if (!frame) {
      step.failure = frame.error();
      continue;
    }
    const auto versions = proxy::decode_api_versions(*frame, first);
    if (!versions) {
      step.failure = versions.error().text;
    } else if (versions->error != 0) {
      step.failure = "ApiVersions was answered " + proxy::error_name(versions->error);
    } else {
      step.apis = versions->ranges.size();
      break;
    }
  }
  if (!step.failure.empty() || !with_metadata) return finding;
  const CorrelationId second{2};
  const auto frame = line.ask(proxy::encode_metadata(second, client_id), Clock::now() + timeout);
  if (!frame) {
    finding.metadata_failure = frame.error();
    return finding;
  }
  auto metadata = proxy::decode_metadata(*frame, second);
  if (metadata) {
    finding.metadata = std::move(*metadata);
  } else {
    finding.metadata_failure = metadata.error().text;
  }
  return finding;
}

int probe(const ProbeOptions& options) {
  const auto where = parse_host_port(options.target);
  if (!where) {
    std::fprintf(stderr, "kferry probe: %s is not HOST:PORT (an IPv6 address stands in brackets)\n",
                 printable(options.target).c_str());
    return exit_failure;
  }
  const Duration timeout = std::chrono::milliseconds(options.timeout_ms);
  auto resolver = net::start_cares_resolver({.timeout = timeout});
  if (!resolver) {
    std::fprintf(stderr, "kferry probe: %s\n", resolver.error().c_str());
    return exit_failure;
  }

  const ProbeFinding found = probe_broker(**resolver, *where, timeout, true);
  print("bootstrap " + to_string(*where) + "  " + told(found.bootstrap));
  if (!found.bootstrap.failure.empty()) return exit_failure;
  if (!found.metadata) {
    print("advertised addresses unknown: Metadata without credentials: " + found.metadata_failure);
    return exit_well;
  }
  print("cluster " + printable(found.metadata->cluster_id.value_or("(no id)")) + ", controller " +
        std::to_string(number(found.metadata->controller)) + ", " +
        std::to_string(found.metadata->brokers.size()) + " brokers advertised");
  if (found.metadata->brokers.empty()) {
    print("FAILED  no broker is advertised: a client could go nowhere from here");
    return exit_failure;
  }
  bool is_well = true;
  if (found.metadata->brokers.size() > brokers_max) {
    print("FAILED  only the first " + std::to_string(brokers_max) + " brokers are visited");
    is_well = false;
  }
  std::set<HostPort> seen;
  for (const proxy::AdvertisedBroker& broker :
       std::span(found.metadata->brokers).first(std::min(found.metadata->brokers.size(), brokers_max))) {
    const std::string name =
        "broker " + std::to_string(number(broker.id)) + " " + printable(to_string(broker.where)) + "  ";
    if (broker.where.host.empty() || broker.where.port < 1 || broker.where.port > 65535) {
      print(name + "FAILED  not an address that can be dialled");
      is_well = false;
      continue;
    }
    if (!seen.insert(broker.where).second) {
      print(name + "FAILED  another broker has the same address: clients would reach the wrong one");
      is_well = false;
      continue;
    }
    const ProbeFinding each = probe_broker(**resolver, broker.where, timeout, false);
    print(name + told(each.bootstrap));
    is_well = is_well && each.bootstrap.failure.empty();
  }
  return is_well ? exit_well : exit_failure;
}

}  // namespace kferry::cli
