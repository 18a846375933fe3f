// Leaders that a client cannot reach, in every version of Metadata and in DescribeTopicPartitions.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "kafka/error_codes.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = ResponseWalker::Stop;

struct Partition {
  std::int16_t error = 0;
  std::int32_t leader = 0;
};

Writer& numbers(Writer& out, std::initializer_list<std::int32_t> ids) {
  out.array(ids.size());
  for (const std::int32_t id : ids) out.i32(id);
  return out;
}

void partition(Writer& out, const Partition& of, std::int32_t index, int version, bool described = false) {
  out.i16(of.error).i32(index).i32(of.leader);
  if (version >= 7 || described) out.i32(4);
  numbers(out, {2, 13});
  numbers(out, {13, 2});
  if (described) {
    out.null_array();
    numbers(out, {13});
  }
  if (version >= 5 || described) numbers(out, {13});
  out.tags();
}

// Brokers, controller and leaders as given; everything else depends on the version alone.
Bytes metadata(int version, const std::vector<std::pair<std::int32_t, HostPort>>& brokers,
               std::int32_t controller, const std::vector<Partition>& partitions, bool unknown_tags = false) {
  Writer out(version >= 9);
  out.i32(7);
  out.tags();
  if (version >= 3) out.i32(0);
  out.array(brokers.size());
  for (const auto& [id, where] : brokers) {
    out.i32(id).str(where.host).i32(where.port);
    if (version >= 1) out.null_str();
    out.tags();
  }
  if (version >= 2) out.str("cluster-1");
  if (version >= 1) out.i32(controller);
  out.array(3);
  for (int topic = 0; topic < 3; ++topic) {
    out.i16(topic == 1 ? 3 : 0);
    topic == 2 && version >= 12 ? out.null_str() : out.str("topic-" + std::to_string(topic));
    if (version >= 10) out.zeros(16);
    if (version >= 1) out.i8(0);
    const std::size_t count = topic == 1 ? 0 : partitions.size();
    out.array(count);
    for (std::size_t i = 0; i < count; ++i)
      partition(out, partitions[i], static_cast<std::int32_t>(i), version);
    if (version >= 8) out.i32(-1);
    if (unknown_tags) {
      out.one_tag(30, "kept");
    } else {
      out.tags();
    }
  }
  if (version >= 8 && version <= 10) out.i32(-1);
  if (version >= 13) out.i16(0);
  out.tags();
  return out.frame();
}

const HostPort upstream{"upstream", 9092};

TEST_CASE("partitions of a broker that is left out have no leader, in every version of Metadata") {
  for (int version = 0; version <= 13; ++version) {
    CAPTURE(version);
    const bool tags = version >= 9;
    const Bytes before = metadata(version, {{2, upstream}, {13, upstream}}, 13,
                                  {{0, 2}, {0, 13}, {0, -1}, {9, 13}, {0, 77}}, tags);
    const Bytes after =
        metadata(version, {{2, {"gateway", 6971}}}, -1, {{0, 2}, {5, -1}, {0, -1}, {5, -1}, {0, 77}}, tags);
    const Bytes next = response(8).zeros(5).frame();
    for (std::size_t step = 1; step <= before.size(); step += step < 24 ? 1 : 61) {
      Walked c;
      c.expect(metadata_key, version);
      c.expect(offset_fetch_key, 7, 8);
      REQUIRE(c.answer(before + next, step) == Stop::input);
      REQUIRE(c.to_client.left == after + next);
      CHECK(c.responses.at_boundary());
      CHECK(c.conversation.empty());
      CHECK(c.view.missing == std::vector<std::int32_t>{13});
    }
  }
}

Bytes described(const std::vector<Partition>& partitions) {
  Writer out(true);
  out.i32(7).no_tags().i32(0).array(2);
  for (int topic = 0; topic < 2; ++topic) {
    out.i16(0).str("topic").zeros(16).i8(0).array(partitions.size());
    for (std::size_t i = 0; i < partitions.size(); ++i)
      partition(out, partitions[i], static_cast<std::int32_t>(i), 0, true);
    out.i32(-1).no_tags();
  }
  return out.i8(1).str("cursor").i32(3).no_tags().no_tags().frame();
}

TEST_CASE("DescribeTopicPartitions names no leader that is left out") {
  const Bytes before = described({{0, 13}, {0, 2}, {0, -1}});
  const Bytes after = described({{5, -1}, {0, 2}, {0, -1}});
  const Bytes next = response(8).zeros(5).frame();
  for (std::size_t step = 1; step <= before.size(); ++step) {
    Walked c;
    c.expect(describe_topic_partitions_key, 0);
    c.expect(offset_fetch_key, 7, 8);
    REQUIRE(c.answer(before + next, step) == Stop::input);
    REQUIRE(c.to_client.left == after + next);
    CHECK(c.responses.at_boundary());
  }
  Walked complete;
  complete.view.someone_left_out = false;
  complete.expect(describe_topic_partitions_key, 0);
  REQUIRE(complete.answer(before, 9) == Stop::input);
  CHECK(complete.to_client.left == before);
  Walked newer;
  newer.expect(describe_topic_partitions_key, 1);
  REQUIRE(newer.answer(before, 9) == Stop::input);
  CHECK(newer.to_client.left == before);
}

TEST_CASE("DescribeCluster names no controller that is left out") {
  const auto answer = [](std::int32_t controller, std::int32_t port, bool both) {
    Writer out = response();
    out.no_tags().i32(0).i16(0).uvarint(0).i8(1).compact_str("cluster-1").i32(controller);
    out.compact_array(both ? 2 : 1).i32(2).compact_str("gateway").i32(port).uvarint(0).no_tags();
    if (both) out.i32(13).compact_str("gateway").i32(9092).uvarint(0).no_tags();
    return out.i32(-1).no_tags().frame();
  };
  for (const std::int32_t controller : {2, 13}) {
    Walked c;
    c.expect(describe_cluster_key, 1);
    REQUIRE(c.answer(answer(controller, 9092, true), 3) == Stop::input);
    CHECK(c.to_client.left == answer(controller == 13 ? -1 : controller, 6971, false));
  }
}

TEST_CASE("topics that do not follow the schema flow as they came") {
  Writer before = response();
  before.no_tags().i32(0).compact_array(1).i32(13).compact_str("upstream").i32(9092).uvarint(0).no_tags();
  before.compact_str("cluster-1").i32(13);
  Writer after = response();
  after.no_tags().i32(0).compact_array(0).compact_str("cluster-1").i32(-1);
  for (const bool topics : {true, false}) {
    const std::string rest = topics ? "\xff\xff\xff\xff\x07 and more than forty bytes of something else" : "";
    const Bytes sent = Writer(before).raw(rest).frame();
    for (std::size_t step = 1; step <= sent.size(); ++step) {
      Walked c;
      c.expect(metadata_key, 12);
      REQUIRE(c.answer(sent, step) == Stop::input);
      CHECK(c.to_client.left == Writer(after).raw(rest).frame());
      CHECK(c.responses.at_boundary());
    }
  }
}

TEST_CASE("while leaders are looked for, only the beginning of a partition is kept") {
  const std::vector<Partition> many(1000, Partition{0, 13});
  const Bytes before = metadata(12, {{2, upstream}, {13, upstream}}, 2, many);
  Walked c;
  c.expect(metadata_key, 12);
  REQUIRE(c.answer(Bytes(before.begin(), before.begin() + 4000)) == Stop::input);
  CHECK(c.to_client.held.empty());
  CHECK(c.to_client.left.size() > 3900);
  CHECK(c.responses.cut());
  CHECK(c.responses.opaque_run() == 0);
}

TEST_CASE("leaders are not looked for while every broker has a port") {
  const Bytes before = metadata(12, {{2, upstream}, {3, upstream}}, 13, {{0, 13}, {0, 2}});
  const Bytes after = metadata(12, {{2, {"gateway", 6971}}, {3, {"gateway", 6972}}}, 13, {{0, 13}, {0, 2}});
  Walked c;
  c.expect(metadata_key, 12);
  REQUIRE(c.answer(before) == Stop::input);
  CHECK(c.to_client.left == after);
}

}  // namespace
}  // namespace kferry::kafka::test
