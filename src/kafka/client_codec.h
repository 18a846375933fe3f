// The few requests that kferry sends as a client (discovery, `check --dial`, `probe`), and their responses.
// Bytes to bytes; no I/O. Fixed, old, never flexible versions that every broker from Kafka 1.0 to 4.x
// answers: ApiVersions 0, Metadata 2 without topics (sessions ask with 1 to 4), SaslHandshake 1,
// SaslAuthenticate 0 and 1.
//
//   size (4 bytes) → frame_size() → that many bytes → decode_…()
//
// Every length in a response is checked before it is used; decoding never reads past the frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/limits.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// A list of 10,000 brokers takes about 3 MiB: a longer response does not answer our request.
inline constexpr std::size_t answer_size_max = 4 * MiB;
static_assert(answer_size_max <= response_size_max);

// --- requests: complete frames, with their length
Bytes encode_api_versions(CorrelationId id, std::string_view client_id);
// Asks for brokers and cluster id, but no topics, which needs no ACL and creates nothing. `version` is from
// metadata_without_topics to metadata_asked_max.
Bytes encode_metadata(CorrelationId id, std::string_view client_id, ApiVersion version = 2);
// In version 0 an empty list means all topics.
inline constexpr ApiVersion metadata_without_topics = 1;
inline constexpr ApiVersion metadata_asked_max = 4;
Bytes encode_sasl_handshake(CorrelationId id, std::string_view client_id, std::string_view mechanism);
// `version` is 0 or 1; the answer to 1 has the session's lifetime. The frame holds the only copy of `token`:
// wipe it once it has been sent.
Bytes encode_sasl_authenticate(CorrelationId id, std::string_view client_id, ApiVersion version,
                               std::span<const std::byte> token);

// --- responses
// The size of the response that begins with these four bytes. Fails if they are a TLS record, HTTP or SSH,
// which the failure names, or if the size is below 4 or above answer_size_max.
std::expected<std::size_t, Failure> frame_size(std::span<const std::byte, 4> first);

struct ApiRange {
  ApiKey key{};
  ApiVersion min = 0;
  ApiVersion max = 0;
};
struct ApiVersionsAnswer {
  std::int16_t error = 0;
  std::vector<ApiRange> ranges;
};
struct AdvertisedBroker {
  NodeId id{};
  HostPort where;
};
struct MetadataAnswer {
  std::vector<AdvertisedBroker> brokers;
  std::optional<std::string> cluster_id;
  NodeId controller{-1};
};
struct SaslHandshakeAnswer {
  std::int16_t error = 0;
  std::vector<std::string> mechanisms;  // what the broker offers
};
// Without the error's text, because brokers quote tokens and user names in it, and what is not here is never logged.
struct SaslAuthenticateAnswer {
  std::int16_t error = 0;
  Bytes token;
  std::int64_t session_lifetime_ms = 0;  // 0: unlimited, or version 0
};

// `frame` comes without its length. Causes of failure: "wrong_correlation_id"; "malformed_frame", which names
// field and offset, also for bytes after the last field.
std::expected<ApiVersionsAnswer, Failure> decode_api_versions(std::span<const std::byte> frame,
                                                              CorrelationId id);
std::expected<MetadataAnswer, Failure> decode_metadata(std::span<const std::byte> frame, CorrelationId id);
std::expected<SaslHandshakeAnswer, Failure> decode_sasl_handshake(std::span<const std::byte> frame,
                                                                  CorrelationId id);
std::expected<SaslAuthenticateAnswer, Failure> decode_sasl_authenticate(std::span<const std::byte> frame,
                                                                        CorrelationId id, ApiVersion version);

}  // namespace kferry::kafka
