#include "kafka/client_codec.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace kferry::kafka {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A literal that may contain zeros, without the terminating one.
template <std::size_t size>
std::string raw(const char (&literal)[size]) {
  return {literal, size - 1};
}

constexpr CorrelationId id{7};

const std::string metadata_frame =
    raw("\0\0\0\x07"  // correlation id
        "\0\0\0\x02"  // two brokers
        "\0\0\0\x01"
        "\0\x06"
        "kafka1"
        "\0\0\x23\x84"
        "\0\x01r"  // 1, 9092, rack r
        "\0\0\0\x02"
        "\0\x03"
        "::1"
        "\0\0\x23\x85"
        "\xff\xff"  // 2, 9093, no rack
        "\0\x02"
        "id"          // cluster
        "\0\0\0\x02"  // controller
        "\0\0\0\0");  // topics

TEST_CASE("requests are encoded byte for byte") {
  CHECK(text(encode_api_versions(id, "kf")) == raw("\0\0\0\x0c\0\x12\0\0\0\0\0\x07\0\x02kf"));
  CHECK(text(encode_metadata(id, "kf")) == raw("\0\0\0\x10\0\x03\0\x02\0\0\0\x07\0\x02kf\0\0\0\0"));
  CHECK(text(encode_sasl_handshake(id, "kf", "PLAIN")) ==
        raw("\0\0\0\x13\0\x11\0\x01\0\0\0\x07\0\x02kf\0\x05PLAIN"));
  CHECK(text(encode_sasl_authenticate(id, "kf", 1, bytes("abc"))) ==
        raw("\0\0\0\x13\0\x24\0\x01\0\0\0\x07\0\x02kf\0\0\0\x03"
            "abc"));
}

TEST_CASE("frame_size accepts the sizes of responses and names other protocols") {
  const auto judge = [](std::string_view first) {
    return frame_size(std::span<const std::byte, 4>(std::as_bytes(std::span(first.data(), 4))));
  };
  CHECK(judge(raw("\0\0\0\x04")).value() == 4);
  CHECK(judge(raw("\0\x40\0\0")).value() == answer_size_max);
  CHECK(judge(raw("\0\x40\0\x01")).error().cause == "implausible_frame_size");
  CHECK(judge(raw("\0\0\0\x03")).error().cause == "implausible_frame_size");
  CHECK(judge(raw("\xff\xff\xff\xff")).error().cause == "implausible_frame_size");
  CHECK(judge(raw("\x15\x03\x03\0")).error().cause == "tls_answer_on_plaintext");
  CHECK(judge("HTTP").error().cause == "http_answer");
  CHECK(judge("SSH-").error().cause == "ssh_answer");
}

TEST_CASE("Metadata returns brokers, cluster id and controller") {
  const auto answer = decode_metadata(bytes(metadata_frame), id);
  REQUIRE(answer.has_value());
  REQUIRE(answer->brokers.size() == 2);
  CHECK(number(answer->brokers[0].id) == 1);
  CHECK(answer->brokers[0].where == HostPort{"kafka1", 9092});
  CHECK(number(answer->brokers[1].id) == 2);
  CHECK(answer->brokers[1].where == HostPort{"::1", 9093});
  CHECK(answer->cluster_id == "id");
  CHECK(number(answer->controller) == 2);
}

TEST_CASE("ApiVersions returns the ranges, or an error without any") {
  const auto answer = decode_api_versions(bytes(raw("\0\0\0\x07\0\0\0\0\0\x02"
                                                    "\0\x03\0\0\0\x0d"
                                                    "\0\x12\0\0\0\x05")),
                                          id);
  REQUIRE(answer.has_value());
  REQUIRE(answer->ranges.size() == 2);
  CHECK(number(answer->ranges[0].key) == 3);
  CHECK(answer->ranges[0].max == 13);
  CHECK(answer->error == 0);
  CHECK(decode_api_versions(bytes(raw("\0\0\0\x07\0\x23\0\0\0\0")), id)->error == 35);
}

TEST_CASE("SASL responses of both versions are decoded") {
  const auto handshake =
      decode_sasl_handshake(bytes(raw("\0\0\0\x07\0\x21\0\0\0\x02\0\x05PLAIN\0\x0dSCRAM-SHA-256")), id);
  REQUIRE(handshake.has_value());
  CHECK(handshake->error == 33);
  CHECK(handshake->mechanisms == std::vector<std::string>{"PLAIN", "SCRAM-SHA-256"});

  const auto refused =
      decode_sasl_authenticate(bytes(raw("\0\0\0\x07\0\x3a\0\x02no\xff\xff\xff\xff")), id, 0);
  REQUIRE(refused.has_value());
  CHECK(refused->error == 58);
  CHECK(refused->token.empty());

  const auto accepted =
      decode_sasl_authenticate(bytes(raw("\0\0\0\x07\0\0\xff\xff\0\0\0\x02ok\0\0\0\0\0\0\x03\xe8")), id, 1);
  REQUIRE(accepted.has_value());
  CHECK(text(accepted->token) == "ok");
  CHECK(accepted->session_lifetime_ms == 1000);
}

TEST_CASE("an unexpected correlation id has its own cause") {
  const auto answer = decode_metadata(bytes(metadata_frame), CorrelationId{8});
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().cause == "wrong_correlation_id");
  CHECK(answer.error().text.find("7, not 8") != std::string::npos);
}

TEST_CASE("every truncation is malformed") {
  const std::size_t read = metadata_frame.size() - 4;  // not the topics
  for (std::size_t size = 0; size < read; ++size) {
    const Bytes cut = bytes(metadata_frame.substr(0, size));
    const auto answer = decode_metadata(cut, id);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().cause == "malformed_frame");
    CHECK(answer.error().text.find("offset") != std::string::npos);
  }
}

TEST_CASE(
    "topics that were not asked for, bytes after the end and null arrays pass, as they do with clients") {
  const std::string without = metadata_frame.substr(0, metadata_frame.size() - 4);
  const std::string topics = raw("\0\0\0\x01\0\0\0\x01t\0\0\0\0\0");
  for (const std::string& frame : {metadata_frame + "x", without + topics}) {
    const auto answer = decode_metadata(bytes(frame), id);
    REQUIRE(answer.has_value());
    CHECK(answer->brokers.size() == 2);
    CHECK(answer->cluster_id == "id");
  }
  const auto nothing =
      decode_metadata(bytes(raw("\0\0\0\x07\xff\xff\xff\xff\xff\xff\0\0\0\x02\xff\xff\xff\xff")), id);
  REQUIRE(nothing.has_value());
  CHECK(nothing->brokers.empty());
  CHECK(decode_api_versions(bytes(raw("\0\0\0\x07\0\x23\0\0\0\0more")), id)->error == 35);
}

TEST_CASE("counts and lengths beyond the frame are refused before anything is allocated") {
  CHECK_FALSE(decode_metadata(bytes(raw("\0\0\0\x07\x7f\xff\xff\xff")), id).has_value());
  CHECK_FALSE(decode_metadata(bytes(raw("\0\0\0\x07\xff\xff\xff\xff")), id).has_value());
  CHECK_FALSE(decode_api_versions(bytes(raw("\0\0\0\x07\0\0\x7f\xff\xff\xff")), id).has_value());
  CHECK_FALSE(decode_sasl_handshake(bytes(raw("\0\0\0\x07\0\0\0\0\0\x01\x7f\xff")), id).has_value());
  CHECK_FALSE(decode_sasl_handshake(bytes(raw("\0\0\0\x07\0\0\0\0\0\x01\xff\xfe")), id).has_value());
  CHECK_FALSE(decode_sasl_handshake(bytes(raw("\0\0\0\x07\0\0\0\0\0\x01\xff\xff")), id).has_value());  // null
  CHECK_FALSE(
      decode_sasl_authenticate(bytes(raw("\0\0\0\x07\0\0\xff\xff\x7f\xff\xff\xff")), id, 0).has_value());
}

}  // namespace
}  // namespace kferry::kafka
