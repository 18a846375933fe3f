// The verb `probe`: what a client would find at HOST:PORT, without SASL credentials. Asks ApiVersions and Metadata
// there, then visits every address that the answer advertises, as a client would. What it found goes to
// stdout.
//
//   resolve ─▶ connect ─▶ [TLS] ─▶ ApiVersions 0 ─▶ Metadata 2 ─▶ for each broker: the same without Metadata
//
// A listener that requires SASL closes on Metadata: then the addresses stay unknown, which is reported but is not an
// error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/host_port.h"
#include "kafka/client_codec.h"
#include "net/resolver.h"
#include "tls/context.h"

namespace kferry::cli {

struct ProbeStep {
  std::string failure;         // empty: well. What is wrong there and the remedy; printable
  std::string_view tls_cause;  // Failure::cause, if TLS failed
  std::string address;         // that was connected to; empty: none
  Duration connect_time{};
  std::string tls;         // "TLS 1.3, TLS_AES_128_GCM_SHA256, certificate of CN=…"; empty: none
  Duration answer_time{};  // of ApiVersions
  std::size_t apis = 0;    // offered
};

struct ProbeFinding {
  ProbeStep bootstrap;
  std::optional<kafka::MetadataAnswer> metadata;
  std::string metadata_failure;  // why there is none: closed (SASL is required), malformed
};

// Connects to every address of `where` in turn until one answers, each within `timeout`. With
// `with_metadata`, Metadata is asked as well on the same connection. With `tls` everything is asked through
// it, and the certificate is verified by `name`, or where that is empty by the host dialled. Blocks.
ProbeFinding probe_broker(net::Resolver& resolver, const HostPort& where, Duration timeout,
                          bool with_metadata, const std::shared_ptr<const tls::ClientContext>& tls = nullptr,
                          const std::string& name = {});

}  // namespace kferry::cli
