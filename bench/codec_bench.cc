// What walking one frame costs, with nothing around it: nanoseconds per frame for requests and responses,
// whole frames in receive-sized chunks, the walkers' output only counted.
//
//   codec_bench [--benchmark_filter=fetch]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "frames.h"
#include "kafka/api_keys.h"
#include "kafka/conversation.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"

namespace kferry::bench {
namespace {

// As one receive completion hands them over at most.
constexpr std::size_t chunk_size = 64 * KiB;

class CountingOutput final : public kafka::Output {
 public:
  void pass(std::size_t size) override { left_ += size; }
  void hold(std::size_t size) override { held_ += size; }
  void drop(std::size_t) override {}
  void insert(std::span<const std::byte> bytes) override {
    benchmark::DoNotOptimize(bytes.data());
    (held_ > 0 ? held_ : left_) += bytes.size();
  }
  void overwrite_held(std::size_t, std::span<const std::byte> bytes) override {
    benchmark::DoNotOptimize(bytes.data());
  }
  void cut_held(std::size_t size) override { held_ -= size; }
  void release() override { left_ += std::exchange(held_, 0); }

  std::size_t left() const { return left_; }
  std::size_t held() const { return held_; }

 private:
  std::size_t left_ = 0;
  std::size_t held_ = 0;
};

class AlwaysForward final : public kafka::RequestJudge {
 public:
  kafka::Judgement judge(const kafka::Request& request) override {
    benchmark::DoNotOptimize(request.frame_size);
    return kafka::Judgement::forward;
  }
};

// Maps every broker to one host and a port by id, as a listener's port list does.
class FixedCluster final : public kafka::ClusterView {
 public:
  bool learn(const kafka::BrokerList& list) override {
    benchmark::DoNotOptimize(list.brokers.data());
    return true;
  }
  std::optional<HostPort> advertised(NodeId id) override { return HostPort{host_, 6969 + number(id)}; }
  void left_out(ApiKey, NodeId) override {}
  void hidden_api(ApiKey) override {}
  void deviates(ApiKey, kafka::Deviation) override {}

 private:
  const std::string host_ = "gateway.example.com";
};

// How one frame is named, and its bytes.
struct Row {
  const char* name;
  ApiKey key;
  std::int16_t version;
  Frame frame;
};

template <typename Walker>
void feed_whole(Walker& walker, const Frame& frame) {
  std::span<const std::byte> rest(frame);
  while (!rest.empty()) {
    const auto chunk = rest.first(std::min(rest.size(), chunk_size));
    const auto walked = walker.feed(chunk);
    KFERRY_ASSERT(walked.stop == Walker::Stop::input && walked.consumed == chunk.size());
    rest = rest.subspan(chunk.size());
  }
}

void walk_request(benchmark::State& state, const Row& row) {
  const kafka::Policy policy;
  kafka::Conversation conversation(policy);
  AlwaysForward judge;
  CountingOutput output;
  kafka::RequestWalker walker(conversation, judge, output);
  std::size_t frames = 0;
  for (auto _ : state) {
    feed_whole(walker, row.frame);
    conversation.pop();
    ++frames;
  }
  KFERRY_ASSERT(output.left() == frames * row.frame.size() && conversation.empty());
}

void walk_response(benchmark::State& state, const Row& row) {
  const kafka::Policy policy;
  kafka::Conversation conversation(policy);
  FixedCluster cluster;
  CountingOutput output;
  kafka::ResponseWalker walker(conversation, cluster, output);
  for (auto _ : state) {
    conversation.push({.key = row.key, .version = row.version, .correlation_id = CorrelationId{0}});
    feed_whole(walker, row.frame);
  }
  KFERRY_ASSERT(walker.at_boundary() && output.left() > 0 && conversation.empty());
}

void register_rows() {
  static const Row requests[] = {
      {"request/offset_fetch_v7", kafka::offset_fetch_key, 7, offset_fetch_request()},
      {"request/fetch_v17_10_partitions", kafka::fetch_key, 17, fetch_request(17, 256 * KiB, 10)},
      {"request/produce_v9_16KiB", kafka::produce_key, 9, produce_request(9, 16 * KiB)},
      {"request/produce_v10_256KiB", kafka::produce_key, 10, produce_request(10, 256 * KiB)},
      {"request/api_versions_v4", kafka::api_versions_key, 4, api_versions_request(4)},
  };
  static const Row responses[] = {
      {"response/opaque_offset_fetch_v7", kafka::offset_fetch_key, 7, offset_fetch_response()},
      {"response/opaque_fetch_v15_256KiB", kafka::fetch_key, 15, fetch_response(15, 256 * KiB, 1)},
      {"response/metadata_v12_3_brokers", kafka::metadata_key, 12, metadata_response(3)},
      {"response/metadata_v12_100_brokers", kafka::metadata_key, 12, metadata_response(100)},
      {"response/fetch_v17_16KiB_1_partition", kafka::fetch_key, 17, fetch_response(17, 16 * KiB, 1)},
      {"response/fetch_v17_256KiB_10_partitions", kafka::fetch_key, 17, fetch_response(17, 256 * KiB, 10)},
      {"response/produce_v10", kafka::produce_key, 10, produce_response(10)},
      {"response/api_versions_v4", kafka::api_versions_key, 4, api_versions_response(4)},
      {"response/find_coordinator_v4", kafka::find_coordinator_key, 4, find_coordinator_response()},
  };
  for (const Row& row : requests)
    benchmark::RegisterBenchmark(row.name, [&row](benchmark::State& state) { walk_request(state, row); });
  for (const Row& row : responses)
    benchmark::RegisterBenchmark(row.name, [&row](benchmark::State& state) { walk_response(state, row); });
}

}  // namespace
}  // namespace kferry::bench

int main(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  kferry::bench::register_rows();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
