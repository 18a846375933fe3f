#include "ring/kernel_tls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/socket_address.h"

namespace kferry::ring {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

KernelTls failed(const char* what) {
  return {std::string("unknown: ") + what + ": " + std::strerror(errno), false};
}

// Any key will do: nothing is sent.
bool set_key(int fd, unsigned char byte) {
  tls12_crypto_info_aes_gcm_128 info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = TLS_CIPHER_AES_GCM_128;
  std::memset(info.key, byte, sizeof info.key);
  return setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof info) == 0;
}

}  // namespace

KernelTls probe_kernel_tls() {
  // Only an established connection takes the protocol.
  const Descriptor listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  const auto loopback = SocketAddress::parse("127.0.0.1", 0);
  if (listening.fd() < 0 || bind(listening.fd(), loopback->get(), loopback->size()) != 0 ||
      listen(listening.fd(), 1) != 0 ||
      getsockname(listening.fd(), reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    return failed("cannot listen on loopback");
  }
  const Descriptor connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connected.fd() < 0 || connect(connected.fd(), reinterpret_cast<sockaddr*>(&where), size) != 0) {
    return failed("cannot connect to loopback");
  }
  if (setsockopt(connected.fd(), IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0)
    return {{}, set_key(connected.fd(), 1) && set_key(connected.fd(), 2)};
  if (errno == ENOENT) return {"the kernel has no TLS, or its module is not loaded", false};
  return {std::string("refused: ") + std::strerror(errno), false};
}

bool kernel_tls_changes_keys() {
  static const bool changes_keys = probe_kernel_tls().changes_keys;
  return changes_keys;
}

}  // namespace kferry::ring
