// What the kernel knows of a connection: poll(2) for its end, TCP_INFO for its progress. Apart from the other calls
// because glibc's struct tcp_info lacks the newer fields, and linux/tcp.h excludes netinet/tcp.h.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "ring/kernel_sockets.h"

namespace kferry::ring {

TcpState KernelSockets::tcp_state(Socket socket) {
  TcpState state;
  pollfd one{fd_of(socket), POLLRDHUP, 0};
  if (::poll(&one, 1, 0) > 0) {
    state.reset = (one.revents & POLLERR) != 0;
    state.ended = (one.revents & (POLLRDHUP | POLLHUP)) != 0;
  }
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd_of(socket), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return state;
  state.awaits_ack = info.tcpi_unacked > 0 || info.tcpi_probes > 0;
  state.undelivered = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0;
  state.received = info.tcpi_bytes_received;
  state.acknowledged = info.tcpi_bytes_acked;
  state.silence = std::chrono::milliseconds{std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv)};
  return state;
}

}  // namespace kferry::ring
