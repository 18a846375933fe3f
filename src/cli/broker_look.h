// A look at one address of a server, for a command that looks at a path once:
//
//   connect ─▶ [TLS] ─▶ ApiVersions 0 ─▶ [SaslHandshake 1 ─▶ SaslAuthenticate 0…] ─▶ [Metadata 2]
//
// Blocks its thread. Several threads may look at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "kafka/client_codec.h"
#include "tls/context.h"

namespace kferry::cli {

struct LookOptions {
  std::string_view client_id;
  Duration timeout{};  // for each step
  // No step lasts longer than until then.
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
  std::shared_ptr<const tls::ClientContext> tls;  // null: plaintext
  bool asks_metadata = false;
  const config::SaslCredentials* sasl =
      nullptr;  // with asks_metadata: authenticates before. Outlives the look
};

struct BrokerLook {
  std::string failure;  // empty: ApiVersions was answered. Else what is wrong and the remedy; printable
  std::string_view tls_cause;  // Failure::cause, if TLS failed
  std::string address;         // that was dialled; empty: none
  Duration connect_time{};
  std::string tls;         // "TLS 1.3, TLS_AES_128_GCM_SHA256, certificate of CN=…"; empty: none
  Duration answer_time{};  // of ApiVersions
  std::size_t apis = 0;    // offered

  std::optional<kafka::MetadataAnswer> metadata;
  std::string metadata_failure;  // why it was asked for, but is not here; printable
};

// `name` is what the other side is known as: TLS asks for it and verifies it.
BrokerLook look_at(const SocketAddress& address, const HostPort& name, const LookOptions& options);

}  // namespace kferry::cli
