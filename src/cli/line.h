// One blocking conversation with a broker, plain or through TLS, each step with its deadline. For verbs that
// look at a path once; connections that serve go by src/ring. Failures are lines for a person.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "base/socket_address.h"
#include "tls/engine.h"

namespace kferry::cli {

class Line {
 public:
  using Clock = std::chrono::steady_clock;

  Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { hang_up(); }

  // Empty when connected.
  std::string connect(const SocketAddress& address, Clock::time_point deadline);
  // Shakes hands as a client that knows the other side by this name; empty when it is done.
  std::string encrypt(std::shared_ptr<const tls::ClientContext> context, const HostPort& name,
                      Clock::time_point deadline);
  // Which kind of failure ended TLS, as Failure::cause; empty: none.
  std::string_view tls_cause() const;
  // "TLS 1.3, TLS_AES_128_GCM_SHA256, certificate of CN=kafka1"
  std::string tls_text() const;
  // Sends a request and gives the answer without its length.
  std::expected<std::vector<std::byte>, std::string> ask(std::span<const std::byte> request,
                                                         Clock::time_point deadline);

 private:
  void hang_up();
  bool wait(short events) const;
  std::string send_all(std::span<const std::byte> octets);
  std::string write_all(std::span<const std::byte> octets);
  std::expected<std::size_t, std::string> receive(std::span<std::byte> room);
  std::string feed_more();
  std::string fill(std::span<std::byte> into);

  int fd_ = -1;  // never blocks: poll waits
  Clock::time_point deadline_;
  std::unique_ptr<tls::Engine> tls_;
  std::vector<std::byte> plain_;  // decrypted, not yet asked for
};

}  // namespace kferry::cli
