#include "ring/kernel_sockets.h"

#include <linux/tls.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace kferry::ring {
namespace {

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

SocketAddress address_by(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return SocketAddress{reinterpret_cast<const sockaddr*>(&storage), size};
}

// getpeername() fails with ENOTCONN once the other end has reset the connection. The kernel still knows the address,
// as accept() shows, and tells it by SO_PEERNAME (inet_getname with peer = 2, Linux 2.6.12 and newer). That option
// takes no more room than the address fills, so the family is asked for first.
SocketAddress address_before_reset(int fd) {
  sockaddr_storage storage{};
  const auto ask = [&](socklen_t size) {
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &storage, &size) == 0;
  };
  if (!ask(sizeof(sockaddr_in))) return {};
  if (storage.ss_family == AF_INET)
    return SocketAddress{reinterpret_cast<const sockaddr*>(&storage), sizeof(sockaddr_in)};
  if (storage.ss_family != AF_INET6 || !ask(sizeof(sockaddr_in6))) return {};
  return SocketAddress{reinterpret_cast<const sockaddr*>(&storage), sizeof(sockaddr_in6)};
}

}  // namespace

// splice(2) has no MSG_NOSIGNAL, and a client that closes its connection must not kill the process.
KernelSockets::KernelSockets() {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

void KernelSockets::wake() {
  if (std::this_thread::get_id() == thread_) {
    woken_ = true;
  } else {
    mailbox_->wake();
  }
}

const std::vector<LetterBox::Letter>& KernelSockets::take_letters() {
  woken_ = true;
  letters_.clear();
  mailbox_->take(letters_);
  return letters_;
}

Ring::Opened KernelSockets::make_socket(const SocketAddress& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {Socket::none, errno};
  return {Socket{fd}, 0};
}

Ring::Opened KernelSockets::make_connecting(const SocketAddress& address) {
  const Opened opened = make_socket(address);
  // Delays the ACK of the peer's SYN so that it travels with our first bytes, which are ready: one segment less, and
  // the peer wakes once. The kernel resets the option as data flows (tcp(7)).
  if (opened.error == 0) set(fd_of(opened.socket), IPPROTO_TCP, TCP_QUICKACK, 0);
  return opened;
}

Ring::Opened KernelSockets::listen(const SocketAddress& address, int backlog, Families families) {
  const Opened opened = make_socket(address);
  if (opened.error != 0) return opened;
  const int fd = fd_of(opened.socket);
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // The host's default may be either (net.ipv6.bindv6only).
  if (address.family() == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, families == Families::both ? 0 : 1);
  if (::bind(fd, address.get(), address.size()) != 0 || ::listen(fd, backlog) != 0) {
    const int error = errno;
    ::close(fd);
    return {Socket::none, error};
  }
  return opened;
}

SocketAddress KernelSockets::local_address(Socket socket) {
  return address_by(fd_of(socket), ::getsockname);
}
SocketAddress KernelSockets::remote_address(Socket socket) {
  const SocketAddress address = address_by(fd_of(socket), ::getpeername);
  return address.empty() ? address_before_reset(fd_of(socket)) : address;
}

void KernelSockets::set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval,
                                int probes) {
  const auto seconds = [](Duration time) {
    return static_cast<int>(std::clamp<std::int64_t>(time / std::chrono::seconds{1}, 1, 32767));
  };
  const int fd = fd_of(socket);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(keepalive_idle));
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(keepalive_interval));
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
  if (!congestion_control_.empty()) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion_control_.data(),
                 static_cast<socklen_t>(congestion_control_.size()));
  }
}

void KernelSockets::shut_write(Socket socket) {
  ::shutdown(fd_of(socket), SHUT_WR);
}

int KernelSockets::peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) return -EAGAIN;
  const int fd = fd_of(socket);
  const int from = static_cast<int>(offset);
  // Where TCP has no offset (Linux before 6.9), every look is from the first byte.
  if (::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof from) != 0 && from != 0) return -errno;
  const ssize_t size = ::recv(fd, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
  return size >= 0 ? static_cast<int>(size) : -errno;
}

int KernelSockets::set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) {
  constexpr char name[] = "tls";
  const int fd = fd_of(socket);
  if (::setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof name) != 0 && errno != EEXIST) return -errno;
  const int direction = sending ? TLS_TX : TLS_RX;
  return ::setsockopt(fd, SOL_TLS, direction, key.data(), static_cast<socklen_t>(key.size())) == 0 ? 0
                                                                                                   : -errno;
}

int KernelSockets::reinstall_tls_key(Socket socket) {
  union {
    tls_crypto_info info;
    tls12_crypto_info_aes_gcm_128 aes_gcm_128;
    tls12_crypto_info_aes_gcm_256 aes_gcm_256;
    tls12_crypto_info_chacha20_poly1305 chacha20_poly1305;
  } keys{};
  const int fd = fd_of(socket);
  socklen_t size = sizeof keys.info;
  if (::getsockopt(fd, SOL_TLS, TLS_RX, &keys, &size) != 0) return -errno;
  size = keys.info.cipher_type == TLS_CIPHER_AES_GCM_128 ? sizeof keys.aes_gcm_128 : sizeof keys.aes_gcm_256;
  static_assert(sizeof keys.aes_gcm_256 == sizeof keys.chacha20_poly1305);
  // The kernel returns the key together with the number of the next record.
  int result = ::getsockopt(fd, SOL_TLS, TLS_RX, &keys, &size) == 0 ? 0 : -errno;
  if (result == 0) result = set_tls_key(socket, false, std::as_bytes(std::span(&keys, 1)).first(size));
  ::explicit_bzero(&keys, sizeof keys);
  return result;
}

int KernelSockets::receive_tls_record(Socket socket, std::span<std::byte> room, std::uint8_t& type) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)];
  iovec piece{room.data(), room.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(fd_of(socket), &message, MSG_DONTWAIT);
  if (size < 0) return -errno;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_TLS || header->cmsg_type != TLS_GET_RECORD_TYPE)
    return -EBADMSG;
  type = *CMSG_DATA(header);
  return static_cast<int>(size);
}

int KernelSockets::send_tls_record(Socket socket, std::uint8_t type, std::span<const std::byte> content) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)] = {};
  iovec piece{const_cast<std::byte*>(content.data()), content.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(sizeof type);
  *CMSG_DATA(header) = type;
  const int fd = fd_of(socket);
  const auto send = [&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : -errno; };
  const int result = send();
  if (result != -EBADMSG) return result;
  // A received record did not decrypt, which is the socket's pending error. It must not stop the alert that reports it.
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return send();
}

void KernelSockets::close(Socket socket, bool reset) {
  if (reset) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_of(socket), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(fd_of(socket));
}

}  // namespace kferry::ring
