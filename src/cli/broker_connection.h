// One conversation with a broker for a command that looks at a path once: dials an address, asks, waits. Blocks its
// thread, on a ring of its own. Dials by the same Dialler as the proxy; its failures are texts for a person.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/socket_address.h"
#include "tls/context.h"

namespace kferry::cli {

class BrokerConnection {
 public:
  BrokerConnection();
  // Says close_notify and closes.
  ~BrokerConnection();
  BrokerConnection(const BrokerConnection&) = delete;
  BrokerConnection& operator=(const BrokerConnection&) = delete;

  struct Failure {
    std::string text;
    std::string_view tls_cause{};  // Failure::cause of the TLS engine, if TLS failed
  };
  struct Opened {
    Duration connect_time{};
    std::string tls;  // "TLS 1.3, TLS_AES_128_GCM_SHA256, certificate of CN=kafka1"; empty: plaintext
  };

  // Connects to `address` within `timeout`, and with `tls` shakes hands, again within `timeout`, as a client that knows
  // the other side as `name`; both within `budget`. What was open before is closed.
  std::expected<Opened, Failure> open(const SocketAddress& address, const HostPort& name,
                                      std::shared_ptr<const tls::ClientContext> tls, Duration timeout,
                                      Duration budget);
  // Sends a request, a whole frame, and returns the answer without its length.
  std::expected<std::vector<std::byte>, Failure> ask(std::span<const std::byte> request, Duration timeout);

 private:
  class Conversation;
  std::unique_ptr<Conversation> conversation_;
};

}  // namespace kferry::cli
