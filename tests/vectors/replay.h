// One connection's worth of walkers with an output that keeps what left, fed in pieces of the test's
// choosing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/output.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"
#include "vector_file.h"

namespace kferry::vectors {

// Does what Output says, and notes a call that breaks its order.
class Leaving final : public kafka::Output {
 public:
  void begin(std::span<const std::byte> chunk) {
    chunk_ = chunk;
    at_ = 0;
  }
  std::size_t taken() const { return at_; }
  const Bytes& left() const { return left_; }
  const Bytes& held() const { return held_; }
  const std::string& broken() const { return broken_; }
  // Bytes moved past the walker, as a splice does.
  void move(std::span<const std::byte> bytes) {
    if (!held_.empty()) broken_ = "an opaque run while bytes are held";
    left_.insert(left_.end(), bytes.begin(), bytes.end());
  }

  void pass(std::size_t size) override;
  void hold(std::size_t size) override;
  void drop(std::size_t size) override;
  void insert(std::span<const std::byte> bytes) override;
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) override;
  void cut_held(std::size_t size) override;
  void release() override;

 private:
  std::span<const std::byte> take(std::size_t size);

  std::span<const std::byte> chunk_;
  std::size_t at_ = 0;
  Bytes left_;
  Bytes held_;
  std::string broken_;
};

// The generator's mapping (java/src/main/java/vectors/Rewriting.java).
class MappedView final : public kafka::ClusterView {
 public:
  struct Lesson {
    std::int16_t source = 0;
    bool full = false;
    std::optional<std::string> cluster_id;
    std::vector<LearntBroker> brokers;
    std::size_t left_before = 0;  // bytes that had left when it was taught
  };

  explicit MappedView(const Leaving& output) : output_(output) {}

  static bool mappable(std::int32_t node) { return node % 100 != 13; }
  static std::string host(std::int32_t node);

  bool learn(const kafka::BrokerList& list) override;
  std::optional<HostPort> advertised(NodeId id) override;
  bool leaves_out() override { return true; }
  void left_out(ApiKey source, NodeId id) override;
  void hidden_api(ApiKey key) override { hidden.push_back(number(key)); }
  void deviates(ApiKey, kafka::Deviation) override {}

  std::vector<Lesson> lessons;
  std::vector<std::int32_t> missing;  // ids left out
  std::vector<std::int16_t> hidden;

 private:
  const Leaving& output_;
};

// Lets everything pass and keeps what it was asked last.
class Willing final : public kafka::RequestJudge {
 public:
  kafka::Judgement judge(const kafka::Request& request) override {
    last = request;
    client_id = request.client_id;
    last.client_id = {};
    ++asked;
    return kafka::Judgement::forward;
  }
  kafka::Request last;
  std::string client_id;
  std::size_t asked = 0;
};

// How input is cut: `next` bytes at a time, 0 for all of it; `random` from a seed; `moved` skips opaque
// runs; `ahead` walks what follows records before it is fed.
struct Cut {
  enum class Way : std::uint8_t { whole, bytes, random, random_moved, random_ahead, at } way = Way::whole;
  std::uint64_t number = 0;  // the seed, or the split point
};
std::string to_string(const Cut& cut);

struct Connection {
  explicit Connection(const kafka::Policy& policy)
      : conversation(policy),
        requests(conversation, judge, to_broker),
        view(to_client),
        responses(conversation, view, to_client) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False: a walker stopped, broke a rule of Output, or did not consume what it had to; `trouble` says which.
  bool feed_requests(std::span<const std::byte> input, const Cut& cut);
  bool feed_responses(std::span<const std::byte> input, const Cut& cut);

  kafka::Conversation conversation;
  Willing judge;
  Leaving to_broker;
  kafka::RequestWalker requests;
  Leaving to_client;
  MappedView view;
  kafka::ResponseWalker responses;
  bool refused = false;  // the request walker ended with Stop::failed
  std::string trouble;
};

}  // namespace kferry::vectors
