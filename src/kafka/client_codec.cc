#include "kafka/client_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"
#include "kafka/writer.h"

namespace kferry::kafka {
namespace {

// Sticky: after the first failure every read returns an empty value, and the caller checks once, at the end.
class Reader {
 public:
  Reader(std::string_view api, std::span<const std::byte> frame) : api_(api), frame_(frame) {}

  std::int16_t i16(std::string_view field) { return static_cast<std::int16_t>(big_endian(2, field)); }
  std::int32_t i32(std::string_view field) { return static_cast<std::int32_t>(big_endian(4, field)); }
  std::int64_t i64(std::string_view field) { return static_cast<std::int64_t>(big_endian(8, field)); }

  std::optional<std::string> nullable_str(std::string_view field) {
    const std::int16_t size = i16(field);
    if (!ok() || size == -1) return std::nullopt;
    if (size < 0) return fail(field), std::nullopt;
    const auto bytes = take(static_cast<std::size_t>(size), field);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string str(std::string_view field) {
    auto text = nullable_str(field);
    if (!text) fail(field);
    return std::move(text).value_or(std::string());
  }
  Bytes nullable_blob(std::string_view field) {
    const std::int32_t size = i32(field);
    if (!ok() || size == -1) return {};
    if (size < 0) return fail(field), Bytes{};
    const auto bytes = take(static_cast<std::size_t>(size), field);
    return {bytes.begin(), bytes.end()};
  }
  // How many elements follow. Each takes at least `element_size_min` bytes, so a count can never ask for more
  // memory than the frame can fill.
  // Some servers send null where an empty array belongs.
  std::size_t count(std::size_t element_size_min, std::string_view field) {
    const std::int32_t count = i32(field);
    if (!ok() || count == -1) return 0;
    if (count < 0 || static_cast<std::size_t>(count) > left() / element_size_min) return fail(field), 0;
    return static_cast<std::size_t>(count);
  }

  bool ok() const { return failed_field_.empty(); }
  void fail(std::string_view field) {
    if (!ok()) return;
    failed_field_ = field;
    failed_at_ = at_;
    at_ = frame_.size();
  }
  void correlation(CorrelationId expected) {
    const std::int32_t got = i32("correlation_id");
    if (ok() && got != number(expected)) wrong_correlation_ = got;
    expected_ = expected;
  }
  std::optional<Failure> failure() const {
    if (wrong_correlation_) {
      return Failure{"wrong_correlation_id",
                     "the broker answered " + std::string(api_) + " with correlation id " +
                         std::to_string(*wrong_correlation_) + ", not " + std::to_string(number(expected_))};
    }
    if (ok()) return std::nullopt;
    return Failure{"malformed_frame", "the broker's " + std::string(api_) + " response of " +
                                          counted(frame_.size(), "byte") + " is malformed at offset " +
                                          std::to_string(failed_at_) + ", field " +
                                          std::string(failed_field_) + ": is it a Kafka broker?"};
  }

 private:
  std::size_t left() const { return frame_.size() - at_; }
  std::span<const std::byte> take(std::size_t size, std::string_view field) {
    if (!ok()) return {};
    if (size > left()) return fail(field), std::span<const std::byte>{};
    at_ += size;
    return frame_.subspan(at_ - size, size);
  }
  std::uint64_t big_endian(std::size_t bytes, std::string_view field) {
    std::uint64_t value = 0;
    for (const std::byte byte : take(bytes, field)) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
  }

  std::string_view api_;
  std::span<const std::byte> frame_;
  std::size_t at_ = 0;
  std::string_view failed_field_;
  std::size_t failed_at_ = 0;
  CorrelationId expected_{};
  std::optional<std::int32_t> wrong_correlation_;
};

// Some servers append bytes to a structure, or list topics that were not asked for: as clients do, kferry does not look
// at what follows the last field that it reads.
template <typename Answer>
std::expected<Answer, Failure> finished(Reader& in, Answer answer) {
  if (auto failure = in.failure()) return std::unexpected(*std::move(failure));
  return answer;
}

}  // namespace

Bytes encode_api_versions(CorrelationId id, std::string_view client_id) {
  return begin_request(api_versions_key, 0, id, client_id).frame();
}

Bytes encode_metadata(CorrelationId id, std::string_view client_id, ApiVersion version) {
  KFERRY_ASSERT(version >= metadata_without_topics && version <= metadata_asked_max);
  // From version 1 on an empty list means no topics; null would mean all of them.
  Writer request = begin_request(metadata_key, version, id, client_id);
  request.array(0);
  if (version >= 4) request.i8(0);  // allow_auto_topic_creation
  return request.frame();
}

Bytes encode_sasl_handshake(CorrelationId id, std::string_view client_id, std::string_view mechanism) {
  return begin_request(sasl_handshake_key, 1, id, client_id).str(mechanism).frame();
}

Bytes encode_sasl_authenticate(CorrelationId id, std::string_view client_id, ApiVersion version,
                               std::span<const std::byte> token) {
  KFERRY_ASSERT(version == 0 || version == 1);
  KFERRY_ASSERT(token.size() <= request_size_max);
  Writer out = begin_request(sasl_authenticate_key, version, id, client_id);
  out.reserve(out.size() + sizeof(std::int32_t) + token.size());
  return out.bytes(token).frame();
}

std::expected<std::size_t, Failure> frame_size(std::span<const std::byte, 4> first) {
  std::uint32_t size = 0;
  for (const std::byte byte : first) size = size << 8 | std::to_integer<std::uint32_t>(byte);
  // TLS: content type 20 to 23, then the major version 3.
  if (first[0] >= std::byte{20} && first[0] <= std::byte{23} && first[1] == std::byte{3}) {
    return std::unexpected(
        Failure{"tls_answer_on_plaintext",
                "the server speaks TLS: it is an SSL or SASL_SSL listener, set the security protocol "
                "accordingly or use the plaintext port"});
  }
  const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
  if (text == "HTTP") {
    return std::unexpected(
        Failure{"http_answer", "an HTTP server answered: the port is not a Kafka listener"});
  }
  if (text == "SSH-") {
    return std::unexpected(Failure{"ssh_answer", "an SSH server answered: the port is not a Kafka listener"});
  }
  if (size < 4 || size > answer_size_max) {
    return std::unexpected(Failure{"implausible_frame_size",
                                   "the server announced a response of " +
                                       counted(static_cast<std::int32_t>(size), "byte") +
                                       ": it is not a Kafka broker, or it uses another security protocol"});
  }
  return size;
}

std::expected<ApiVersionsAnswer, Failure> decode_api_versions(std::span<const std::byte> frame,
                                                              CorrelationId id) {
  Reader in("ApiVersions", frame);
  in.correlation(id);
  ApiVersionsAnswer answer{.error = in.i16("error_code"), .ranges = {}};
  answer.ranges.resize(in.count(6, "api_keys"));
  for (ApiRange& range : answer.ranges) {
    range.key = ApiKey{in.i16("api_key")};
    range.min = in.i16("min_version");
    range.max = in.i16("max_version");
  }
  return finished(in, std::move(answer));
}

std::expected<MetadataAnswer, Failure> decode_metadata(std::span<const std::byte> frame, CorrelationId id) {
  Reader in("Metadata", frame);
  in.correlation(id);
  MetadataAnswer answer;
  answer.brokers.resize(in.count(4 + 2 + 4 + 2, "brokers"));
  for (AdvertisedBroker& broker : answer.brokers) {
    broker.id = NodeId{in.i32("node_id")};
    broker.where.host = in.str("host");
    broker.where.port = in.i32("port");
    in.nullable_str("rack");
  }
  answer.cluster_id = in.nullable_str("cluster_id");
  answer.controller = NodeId{in.i32("controller_id")};
  return finished(in, std::move(answer));
}

std::expected<SaslHandshakeAnswer, Failure> decode_sasl_handshake(std::span<const std::byte> frame,
                                                                  CorrelationId id) {
  Reader in("SaslHandshake", frame);
  in.correlation(id);
  SaslHandshakeAnswer answer{.error = in.i16("error_code"), .mechanisms = {}};
  answer.mechanisms.resize(in.count(2, "mechanisms"));
  for (std::string& mechanism : answer.mechanisms) mechanism = in.str("mechanism");
  return finished(in, std::move(answer));
}

std::expected<SaslAuthenticateAnswer, Failure> decode_sasl_authenticate(std::span<const std::byte> frame,
                                                                        CorrelationId id,
                                                                        ApiVersion version) {
  Reader in("SaslAuthenticate", frame);
  in.correlation(id);
  SaslAuthenticateAnswer answer;
  answer.error = in.i16("error_code");
  in.nullable_str("error_message");
  answer.token = in.nullable_blob("auth_bytes");
  if (version >= 1) answer.session_lifetime_ms = in.i64("session_lifetime_ms");
  return finished(in, std::move(answer));
}

}  // namespace kferry::kafka
