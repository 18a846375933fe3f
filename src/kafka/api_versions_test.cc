#include "kafka/api_versions.h"

#include <doctest/doctest.h>

#include <string>

#include "kafka/api_keys.h"
#include "kafka/response_walker.h"

namespace kferry::kafka {
namespace {

class Kept final : public Output {
 public:
  void pass(std::size_t size) override { passed += size; }
  void hold(std::size_t) override {}
  void drop(std::size_t size) override { vanished += size; }
  void insert(std::span<const std::byte> bytes) override { append(inserted, bytes); }
  void overwrite_held(std::size_t, std::span<const std::byte>) override {}
  void cut_held(std::size_t size) override { vanished += size; }
  void release() override {}

  Bytes inserted;
  std::size_t passed = 0;
  std::size_t vanished = 0;
};

class NoCluster final : public ClusterView {
 public:
  bool learn(const BrokerList&) override { return true; }
  std::optional<HostPort> advertised(NodeId) override { return std::nullopt; }
  void left_out(ApiKey, NodeId) override {}
  void hidden_api(ApiKey) override {}
  void deviates(ApiKey, Deviation) override {}
  void denied(CorrelationId request) override { denials.push_back(request); }

  std::vector<CorrelationId> denials;
};

Bytes bytes(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

struct Asked {
  explicit Asked(ApiVersion version) {
    conversation.push({.key = api_versions_key, .version = version, .correlation_id = CorrelationId{7}});
  }
  ResponseWalker::Stop feed(const Bytes& bytes, std::size_t at_a_time) {
    auto stop = ResponseWalker::Stop::input;
    for (std::size_t at = 0; at < bytes.size() && stop == ResponseWalker::Stop::input; at += at_a_time)
      stop = walker.feed(std::span(bytes).subspan(at, std::min(at_a_time, bytes.size() - at))).stop;
    return stop;
  }

  const Policy policy{};
  Conversation conversation{policy};
  NoCluster cluster;
  Kept output;
  ResponseWalker walker{conversation, cluster, output};
};

// What librdkafka 2.0.2's mock cluster answers to version 3: error 35, and a list in an invalid encoding.
const Bytes mock_answer = bytes("000000110000000700230100120000000200000000");
const Bytes empty_list = bytes("0000000a00000007002300000000");

TEST_CASE("error 35 with an unreadable list becomes error 35 with an empty list, however it is cut") {
  for (std::size_t at_a_time = 1; at_a_time <= mock_answer.size(); ++at_a_time) {
    Asked asked(3);
    CHECK(asked.feed(mock_answer, at_a_time) == ResponseWalker::Stop::input);
    CHECK(asked.output.inserted == empty_list);
    CHECK(asked.output.vanished == mock_answer.size());
    CHECK(asked.output.passed == 0);
    CHECK(asked.conversation.empty());
    CHECK(asked.walker.at_boundary());
  }
}

TEST_CASE("any other unreadable ApiVersions response ends the connection") {
  // No error, and a list that claims more than the frame holds.
  const Bytes other = bytes("000000110000000700007f00120000000200000000");
  Asked asked(3);
  CHECK(asked.feed(other, other.size()) == ResponseWalker::Stop::failed);
  CHECK(asked.walker.failure().cause == "malformed_frame");
  CHECK(asked.output.inserted.empty());
}

TEST_CASE("error 129 is reported with its request and passes") {
  // Error 129, no ranges, throttle 0, no tags.
  const Bytes answer = bytes(
      "0000000c00000007008101"
      "0000000000");
  Asked asked(5);
  CHECK(asked.feed(answer, 3) == ResponseWalker::Stop::input);
  CHECK(asked.output.inserted.size() + asked.output.passed == answer.size());
  CHECK(asked.cluster.denials == std::vector<CorrelationId>{CorrelationId{7}});
  Asked good(5);
  CHECK(good.feed(bytes("0000000c00000007000001"
                        "0000000000"),
                  3) == ResponseWalker::Stop::input);
  CHECK(good.cluster.denials.empty());
}

TEST_CASE("error 35 in version 0 keeps the versions that the broker offers") {
  const Bytes answer = bytes("0000001000000007002300000001001200000002");
  Asked asked(3);
  CHECK(asked.feed(answer, 3) == ResponseWalker::Stop::input);
  CHECK(asked.output.inserted == answer);
}

}  // namespace
}  // namespace kferry::kafka
