#include "ring/congestion_control.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

#include "doctest/doctest.h"
#include "ring/backend.h"

namespace kferry::ring {
namespace {

using std::chrono::seconds;

std::string used_by(int fd) {
  std::array<char, 16> name{};
  auto size = static_cast<socklen_t>(name.size());
  REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) == 0);
  return name.data();
}

// What an accepted socket and a connecting one have, of which the listener and the latter have had set_options().
std::array<std::string, 2> used_by_both_sides(Ring& ring) {
  const auto listener = ring.listen(*SocketAddress::parse("127.0.0.1", 0), 1);
  REQUIRE(listener.error == 0);
  ring.set_options(listener.socket, seconds{61}, seconds{11}, 4);
  const SocketAddress where = ring.local_address(listener.socket);
  const int outside = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(outside, where.get(), where.size()) == 0);
  ring.set_options(Socket{outside}, seconds{61}, seconds{11}, 4);
  const int accepted = ::accept4(static_cast<int>(listener.socket), nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE(accepted >= 0);
  std::array<std::string, 2> used{used_by(accepted), used_by(outside)};
  ::close(outside);
  ::close(accepted);
  ring.close(listener.socket, false);
  return used;
}

TEST_CASE("both sides have the congestion control that the ring was made with, or the host's") {
  const std::string hosts = host_congestion_control().name;
  for (const Backend backend : {Backend::io_uring, Backend::epoll}) {
    if (!refusal(backend).empty()) continue;
    for (const auto& [asked, expected] :
         {std::array<std::string, 2>{"reno", "reno"}, {"", hosts}, {"nosuch", hosts}}) {
      const auto ring = make_ring(backend, {}, asked);
      REQUIRE(ring);
      CHECK(used_by_both_sides(**ring) == std::array{expected, expected});
    }
  }
}

TEST_CASE("a congestion control that the kernel lacks is refused with what to do") {
  CHECK(congestion_control_refusal("reno").empty());  // every kernel has it, and any user may use it
  CHECK(congestion_control_refusal("nosuch").find("modprobe tcp_nosuch") != std::string::npos);
}

TEST_CASE("BBR paces by timers where no fq queue does it") {
  CHECK(paces_by_timers({"bbr", "pfifo_fast"}));
  CHECK(paces_by_timers({"bbr", ""}));
  CHECK_FALSE(paces_by_timers({"bbr", "fq"}));
  CHECK_FALSE(paces_by_timers({"cubic", "fq_codel"}));
}

}  // namespace
}  // namespace kferry::ring
