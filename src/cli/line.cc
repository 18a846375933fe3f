#include "cli/line.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "kafka/client_codec.h"
namespace kferry::cli {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

}  // namespace

void Line::hang_up() {
  if (tls_ != nullptr && tls_->state() == tls::Engine::State::open) {
    tls_->close();
    // A courtesy: what does not fit is not waited for.
    const auto farewell = tls_->to_send();
    static_cast<void>(send(fd_, farewell.data(), farewell.size(), MSG_NOSIGNAL));
  }
  tls_.reset();
  plain_.clear();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string Line::connect(const SocketAddress& address, Clock::time_point deadline) {
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

std::string Line::encrypt(std::shared_ptr<const tls::ClientContext> context, const HostPort& name,
                          Clock::time_point deadline) {
  deadline_ = deadline;
  tls_ = tls::Engine::client(std::move(context), name.host, static_cast<std::uint16_t>(name.port));
  while (tls_->state() == tls::Engine::State::handshaking) {
    if (auto failure = feed_more(); !failure.empty()) return failure;
  }
  // What TLS 1.3's client says last is sent before anything is asked.
  return tls_->state() == tls::Engine::State::open ? write_all({}) : "TLS ended before it began";
}

std::string_view Line::tls_cause() const {
  const bool failed = tls_ != nullptr && tls_->state() == tls::Engine::State::failed;
  return failed ? tls_->failure().cause : std::string_view();
}

std::string Line::tls_text() const {
  if (tls_ == nullptr) return {};
  const tls::Negotiated& agreed = tls_->negotiated();
  std::string text = agreed.version == tls::Version::tls_1_2 ? "TLS 1.2, " : "TLS 1.3, ";
  text += agreed.cipher;
  if (agreed.resumed) return text + ", resumed";
  if (!agreed.peer_subject.empty()) text += ", certificate of " + agreed.peer_subject;
  return text;
}

std::expected<std::vector<std::byte>, std::string> Line::ask(std::span<const std::byte> request,
                                                             Clock::time_point deadline) {
  deadline_ = deadline;
  if (auto failure = write_all(request); !failure.empty()) {
    // The alert that explains it may be here already: TLS 1.3's server judges the client's certificate late.
    if (tls_ != nullptr && tls_->state() == tls::Engine::State::open) {
      while (feed_more().empty() && tls_->state() == tls::Engine::State::open) {
      }
      if (!tls_cause().empty()) failure = tls_->failure().text;
    }
    return std::unexpected(std::move(failure));
  }
  std::array<std::byte, 4> first{};
  if (auto failure = fill(first); !failure.empty()) return std::unexpected(std::move(failure));
  const auto size = kafka::frame_size(first);
  if (!size) return std::unexpected(size.error().text);
  std::vector<std::byte> frame(*size);
  if (auto failure = fill(frame); !failure.empty()) return std::unexpected(std::move(failure));
  return frame;
}

bool Line::wait(short events) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    pollfd waiting{.fd = fd_, .events = events, .revents = 0};
    const int ready = poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

std::string Line::send_all(std::span<const std::byte> octets) {
  while (!octets.empty()) {
    const ssize_t sent = send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      octets = octets.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return "sending failed: " + reason(errno);
    } else if (!wait(POLLOUT)) {
      return "the other side accepts connections, but does not read requests";
    }
  }
  return {};
}

std::string Line::write_all(std::span<const std::byte> octets) {
  if (tls_ == nullptr) return send_all(octets);
  std::array<std::byte, tls::record_plain_max> room;
  do {
    const tls::Engine::Moved moved = tls_->write(octets, room);
    octets = octets.subspan(moved.taken);
    if (tls_->state() == tls::Engine::State::failed) return tls_->failure().text;
    if (auto failure = send_all(std::span(room).first(moved.made)); !failure.empty()) return failure;
    if (moved.made == 0 && moved.taken == 0) break;
  } while (!octets.empty() || !tls_->to_send().empty());
  return octets.empty() ? std::string() : "the request could not be sent through TLS";
}

// 0: the other side has ended.
std::expected<std::size_t, std::string> Line::receive(std::span<std::byte> room) {
  while (true) {
    const ssize_t size = recv(fd_, room.data(), room.size(), 0);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno != EAGAIN && errno != EINTR) {
      const bool shaken = tls_ != nullptr && tls_->state() != tls::Engine::State::handshaking;
      return std::unexpected("reset without an answer (" + reason(errno) + "): it requires " +
                             (tls_ == nullptr ? "TLS"
                              : shaken        ? "SASL first"
                                              : "no TLS") +
                             ", or is not a Kafka listener");
    }
    if (!wait(POLLIN)) {
      return std::unexpected(
          tls_ == nullptr
              ? "connected, but no answer in time: it may require TLS, or the broker behind it hangs"
              : "connected, but no answer in time through TLS (" + tls_->handshake_state() +
                    "): it may not speak TLS, or the broker behind it hangs");
    }
  }
}

// One step of TLS: sends what is due, then takes what comes.
std::string Line::feed_more() {
  while (!tls_->to_send().empty()) {
    const std::size_t size = tls_->to_send().size();
    if (auto failure = send_all(tls_->to_send()); !failure.empty()) return failure;
    tls_->sent(size);
  }
  std::array<std::byte, tls::record_plain_max> cipher;
  std::size_t size = 0;
  if (!tls_->has_plain()) {
    const auto received = receive(cipher);
    if (!received) return received.error();
    if (*received == 0) tls_->end_of_input();
    size = *received;
  }
  std::span<const std::byte> rest = std::span(cipher).first(size);
  std::array<std::byte, tls::record_plain_max> plain;
  do {
    const tls::Engine::Moved moved = tls_->feed(rest, plain);
    rest = rest.subspan(moved.taken);
    plain_.insert(plain_.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(moved.made));
    if (moved.taken == 0 && moved.made == 0) break;
  } while (!rest.empty() || tls_->has_plain());
  if (tls_->state() == tls::Engine::State::failed) {
    // The alert that tells the other side why.
    send_all(tls_->to_send());
    return tls_->failure().text;
  }
  return {};
}

std::string Line::fill(std::span<std::byte> into) {
  constexpr const char* closed =
      "closed without an answer: it requires TLS or SASL first, or is not a Kafka listener";
  while (!into.empty()) {
    if (tls_ == nullptr) {
      const auto received = receive(into);
      if (!received) return received.error();
      if (*received == 0) return closed;
      into = into.subspan(*received);
      continue;
    }
    const std::size_t size = std::min(plain_.size(), into.size());
    std::copy_n(plain_.begin(), size, into.begin());
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(size));
    into = into.subspan(size);
    if (into.empty()) break;
    if (tls_->state() == tls::Engine::State::ended)
      return "closed without an answer: it requires SASL first, or is not a Kafka listener";
    if (auto failure = feed_more(); !failure.empty()) return failure;
  }
  return {};
}

}  // namespace kferry::cli
