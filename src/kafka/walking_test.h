// What the tests of the walkers share: the beginnings of frames, an output that checks the order of calls, a
// view with a simple mapping, and a judge that returns what the test sets.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"
#include "kafka/wire.h"
#include "kafka/writer.h"

namespace kferry::kafka::test {

// Begins a request of header version 1; flexible versions add their tag section.
inline Writer request(ApiKey key, int version, std::int32_t correlation_id = 7,
                      std::string_view client_id = "c") {
  return begin_request(key, static_cast<ApiVersion>(version), CorrelationId{correlation_id}, client_id);
}
inline Writer response(std::int32_t correlation_id = 7) {
  Writer out;
  out.i32(correlation_id);
  return out;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  append(left, right);
  return left;
}

class Leaving final : public Output {
 public:
  void begin(std::span<const std::byte> chunk) { chunk_ = chunk; }
  void pass(std::size_t size) override {
    KFERRY_ASSERT(held.empty());
    append(left, take(size));
  }
  void hold(std::size_t size) override { append(held, take(size)); }
  void drop(std::size_t size) override { take(size); }
  void insert(std::span<const std::byte> bytes) override { append(held.empty() ? left : held, bytes); }
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) override {
    KFERRY_ASSERT(offset + bytes.size() <= held.size());
    std::copy(bytes.begin(), bytes.end(), held.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void cut_held(std::size_t size) override {
    KFERRY_ASSERT(size <= held.size());
    held.resize(held.size() - size);
  }
  void release() override {
    append(left, held);
    held.clear();
  }
  std::string text() const { return {reinterpret_cast<const char*>(left.data()), left.size()}; }

  Bytes left;
  Bytes held;

 private:
  std::span<const std::byte> take(std::size_t size) {
    KFERRY_ASSERT(size <= chunk_.size());
    const auto taken = chunk_.first(size);
    chunk_ = chunk_.subspan(size);
    return taken;
  }
  std::span<const std::byte> chunk_;
};

// Node N is at gateway:6969+N; 13 cannot be mapped.
class Mapped final : public ClusterView {
 public:
  bool learn(const BrokerList& list) override {
    ++lessons;
    full = list.full;
    learnt.clear();
    for (const BrokerEntry& broker : list.brokers)
      learnt.push_back(std::to_string(number(broker.id)) + "=" + std::string(broker.host) + ":" +
                       std::to_string(broker.port));
    cluster_id = list.cluster_id ? std::optional(std::string(*list.cluster_id)) : std::nullopt;
    return ours;
  }
  std::optional<HostPort> advertised(NodeId id) override {
    if (number(id) == 13 || number(id) >= unmapped_from) return std::nullopt;
    return HostPort{host, 6969 + number(id)};
  }
  bool leaves_out() override { return someone_left_out; }
  void left_out(ApiKey, NodeId id) override { missing.push_back(number(id)); }
  void hidden_api(ApiKey key) override { hidden.push_back(number(key)); }
  void deviates(ApiKey, Deviation how) override { deviations.push_back(how); }

  std::string host = "gateway";
  std::int32_t unmapped_from = std::numeric_limits<std::int32_t>::max();
  bool ours = true;
  bool someone_left_out = true;
  int lessons = 0;
  bool full = false;
  std::vector<std::string> learnt;
  std::optional<std::string> cluster_id;
  std::vector<std::int32_t> missing;
  std::vector<std::int16_t> hidden;
  std::vector<Deviation> deviations;
};

class Judge final : public RequestJudge {
 public:
  Judgement judge(const Request& request) override {
    seen.push_back(request);
    client_ids.emplace_back(request.client_id);
    asked_clusters.emplace_back(request.asked_cluster);
    return answer;
  }
  Judgement answer = Judgement::forward;
  std::vector<Request> seen;  // their strings dangle
  std::vector<std::string> client_ids;
  std::vector<std::string> asked_clusters;
};

// One connection; feeds `step` bytes at a time.
struct Walked {
  explicit Walked(Policy rules = {}) : policy(std::move(rules)) {}

  // Stops where the walker does; `rest` is what it has not consumed.
  RequestWalker::Stop ask(const Bytes& bytes, std::size_t step = SIZE_MAX) {
    return feed(requests, to_broker, bytes, step);
  }
  ResponseWalker::Stop answer(const Bytes& bytes, std::size_t step = SIZE_MAX) {
    return feed(responses, to_client, bytes, step);
  }
  void expect(ApiKey key, int version, std::int32_t correlation_id = 7) {
    conversation.push({.key = key,
                       .version = static_cast<ApiVersion>(version),
                       .correlation_id = CorrelationId{correlation_id}});
  }

  const Policy policy;
  Conversation conversation{policy};
  Judge judge;
  Leaving to_broker;
  RequestWalker requests{conversation, judge, to_broker};
  Mapped view;
  Leaving to_client;
  ResponseWalker responses{conversation, view, to_client};
  Bytes rest;

 private:
  template <typename Walker>
  typename Walker::Stop feed(Walker& walker, Leaving& output, std::span<const std::byte> bytes,
                             std::size_t step) {
    for (;;) {
      const auto chunk = bytes.first(std::min(step, bytes.size()));
      output.begin(chunk);
      const auto walked = walker.feed(chunk);
      bytes = bytes.subspan(walked.consumed);
      rest.assign(bytes.begin(), bytes.end());
      if (walked.stop != Walker::Stop::input) return walked.stop;
      KFERRY_ASSERT(walked.consumed == chunk.size());
      if (bytes.empty()) return walked.stop;
    }
  }
};

}  // namespace kferry::kafka::test
