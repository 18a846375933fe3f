#include "kafka/client_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_keys.h"

namespace kferry::kafka {
namespace {

class Writer {
 public:
  // Request header v1; the length in front is filled in by finish().
  Writer(ApiKey key, ApiVersion version, CorrelationId id, std::string_view client_id) {
    i32(0);
    i16(number(key));
    i16(version);
    i32(number(id));
    str(client_id);
  }

  void i16(std::int16_t value) { big_endian(static_cast<std::uint16_t>(value), 2); }
  void i32(std::int32_t value) { big_endian(static_cast<std::uint32_t>(value), 4); }
  void str(std::string_view text) {
    KFERRY_ASSERT(text.size() <= static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max()));
    i16(static_cast<std::int16_t>(text.size()));
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
  }
  void blob(std::span<const std::byte> bytes) {
    KFERRY_ASSERT(bytes.size() <= request_size_max);
    i32(static_cast<std::int32_t>(bytes.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  std::vector<std::byte> finish() {
    const auto size = static_cast<std::uint32_t>(bytes_.size() - 4);
    for (std::size_t i = 0; i < 4; ++i) bytes_[i] = static_cast<std::byte>(size >> (24 - 8 * i));
    return std::move(bytes_);
  }

 private:
  void big_endian(std::uint32_t value, int octets) {
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::byte>(value >> shift));
  }

  std::vector<std::byte> bytes_;
};

// Sticky: after the first failure every read gives nothing, and the caller asks once, at the end.
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
  std::vector<std::byte> nullable_blob(std::string_view field) {
    const std::int32_t size = i32(field);
    if (!ok() || size == -1) return {};
    if (size < 0) return fail(field), std::vector<std::byte>{};
    const auto bytes = take(static_cast<std::size_t>(size), field);
    return {bytes.begin(), bytes.end()};
  }
  // How many elements follow; each takes at least `element_size_min` octets, so that a count promises no more
  // memory than the frame can fill.
  std::size_t count(std::size_t element_size_min, std::string_view field) {
    const std::int32_t count = i32(field);
    if (!ok()) return 0;
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
  void finish() {
    if (ok() && left() > 0) fail("end of frame");
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
    return Failure{"malformed_frame", "the broker's " + std::string(api_) + " answer of " +
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
  std::uint64_t big_endian(std::size_t octets, std::string_view field) {
    std::uint64_t value = 0;
    for (const std::byte octet : take(octets, field))
      value = value << 8 | std::to_integer<std::uint64_t>(octet);
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

template <typename Answer>
std::expected<Answer, Failure> finished(Reader& in, Answer answer) {
  in.finish();
  if (auto failure = in.failure()) return std::unexpected(*std::move(failure));
  return answer;
}

}  // namespace

std::vector<std::byte> encode_api_versions(CorrelationId id, std::string_view client_id) {
  return Writer(api_versions_key, 0, id, client_id).finish();
}

std::vector<std::byte> encode_metadata(CorrelationId id, std::string_view client_id) {
  Writer out(metadata_key, 2, id, client_id);
  out.i32(0);  // from version 1 on an empty list is no topic; null would be all of them
  return out.finish();
}

std::vector<std::byte> encode_sasl_handshake(CorrelationId id, std::string_view client_id,
                                             std::string_view mechanism) {
  Writer out(sasl_handshake_key, 1, id, client_id);
  out.str(mechanism);
  return out.finish();
}

std::vector<std::byte> encode_sasl_authenticate(CorrelationId id, std::string_view client_id,
                                                ApiVersion version, std::span<const std::byte> token) {
  KFERRY_ASSERT(version == 0 || version == 1);
  Writer out(sasl_authenticate_key, version, id, client_id);
  out.blob(token);
  return out.finish();
}

std::expected<std::size_t, Failure> frame_size(std::span<const std::byte, 4> first) {
  std::uint32_t size = 0;
  for (const std::byte octet : first) size = size << 8 | std::to_integer<std::uint32_t>(octet);
  // TLS: content type 20 to 23, then the major version 3.
  if (first[0] >= std::byte{20} && first[0] <= std::byte{23} && first[1] == std::byte{3}) {
    return std::unexpected(
        Failure{"tls_answer_on_plaintext",
                "TLS is spoken there: it is an SSL or SASL_SSL listener, set the security protocol "
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
                                   "an answer of " + counted(static_cast<std::int32_t>(size), "byte") +
                                       " was announced: this is not a Kafka broker, or it speaks another "
                                       "security protocol"});
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
  // No topic was asked for.
  if (in.count(1, "topics") > 0) in.fail("topics");
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
  answer.message = in.nullable_str("error_message").value_or("");
  answer.token = in.nullable_blob("auth_bytes");
  if (version >= 1) answer.session_lifetime_ms = in.i64("session_lifetime_ms");
  return finished(in, std::move(answer));
}

}  // namespace kferry::kafka
