// Fuzzes every decoder of the response walker. The input: which API, which version, how it is cut and
// rewritten, then what follows the correlation id of one response.
//
// However the response is cut, the same bytes leave and the view learns the same. If the response is
// well-formed, so is what leaves; it names only kferry's own addresses, and rewriting it again changes
// nothing. The response behind it passes.
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "kafka/api_keys.h"
#include "kafka/api_table.h"
#include "kafka/response_walker.h"
#include "walk.h"

using namespace kferry;
using namespace kferry::fuzz;

namespace {

// The first byte of an input chooses one, so the order is part of the corpus.
constexpr std::array keys{kafka::produce_key,         kafka::fetch_key,
                          kafka::metadata_key,        kafka::find_coordinator_key,
                          kafka::sasl_handshake_key,  kafka::api_versions_key,
                          kafka::describe_quorum_key, kafka::describe_cluster_key,
                          kafka::share_fetch_key,     kafka::share_acknowledge_key,
                          kafka::offset_fetch_key,    kafka::describe_topic_partitions_key};
constexpr std::string_view own_host = "gateway";
constexpr std::int32_t first_port = 6969;
// Seeds give it to upstream hosts.
constexpr std::string_view marker = "upstream.leak";

class Mapped final : public kafka::ClusterView {
 public:
  bool learn(const kafka::BrokerList& list) override {
    for (const kafka::BrokerEntry& broker : list.brokers) {
      require(number(broker.id) >= 0);
      ours = ours && broker.host == own_host && broker.port == port(broker.id);
      hosts += std::string(broker.host) + '\n';
      lesson += std::to_string(number(broker.id)) + ":" + std::to_string(broker.port) + " ";
    }
    lesson += list.full ? "full " : "partial ";
    if (list.cluster_id) lesson += *list.cluster_id;
    return true;
  }
  std::optional<HostPort> advertised(NodeId id) override {
    if (number(id) % 16 == 13) return std::nullopt;
    return HostPort{std::string(own_host), port(id)};
  }
  bool leaves_out() override { return true; }
  void left_out(ApiKey, NodeId id) override { require(!advertised(id)); }
  void hidden_api(ApiKey key) override { require(kafka::hidden(key, {})); }
  void deviates(ApiKey, kafka::Deviation) override {}

  bool ours = true;
  std::string hosts;
  std::string lesson;

 private:
  static std::int32_t port(NodeId id) { return first_port + number(id) % 1000; }
};

struct Outcome {
  bool understood = false;
  Bytes left;
  Bytes held;
  std::string failure;
  bool ours = true;
  std::string hosts;
  std::string lesson;
};

struct Asked {
  ApiKey key{};
  ApiVersion version = 0;
  bool exact = true;
};

// `ahead`: what follows a run of records is walked before it is fed, wherever that is possible.
Outcome walk(const Asked& asked, std::span<const std::byte> frames, Cuts cuts, bool ahead = false) {
  kafka::Policy policy;
  if (!asked.exact) policy.exact_rewrite_size_max = 0;
  kafka::Conversation conversation(policy);
  conversation.push({asked.key, asked.version, CorrelationId{7}});
  conversation.push({kafka::offset_fetch_key, 7, CorrelationId{8}});
  if (asked.key == kafka::sasl_handshake_key)
    conversation.sasl = kafka::Conversation::Sasl::awaiting_handshake;
  Mapped view;
  Leaving output;
  kafka::ResponseWalker walker(conversation, view, output);
  Outcome outcome;
  outcome.understood = true;
  while (outcome.understood && !frames.empty()) {
    if (ahead && walker.can_walk_ahead() && walker.opaque_run() < frames.size()) {
      const auto behind = frames.subspan(walker.opaque_run());
      const std::size_t run = frames.size() - behind.size();
      if (const auto walked = walker.walk_ahead(behind.first(cuts.next(behind.size())))) {
        output.left.insert(output.left.end(), frames.begin(),
                           frames.begin() + static_cast<std::ptrdiff_t>(run + *walked));
        frames = frames.subspan(run + *walked);
        continue;
      }
    }
    const auto walked = feed(walker, output, frames.first(cuts.next(frames.size())));
    outcome.understood = walked.stop == kafka::ResponseWalker::Stop::input;
    frames = frames.subspan(walked.consumed);
  }
  if (outcome.understood) {
    require(walker.at_boundary() && conversation.empty() && output.held.empty());
  } else {
    require(!walker.failure().cause.empty() && !walker.failure().text.empty());
    outcome.failure = std::string(walker.failure().cause) + ": " + walker.failure().text;
  }
  outcome.left = std::move(output.left);
  outcome.ours = view.ours;
  outcome.hosts = std::move(view.hosts);
  outcome.lesson = std::move(view.lesson);
  return outcome;
}

void require_same(const Outcome& one, const Outcome& other) {
  require(one.understood == other.understood && one.failure == other.failure && one.lesson == other.lesson);
  const std::size_t common = std::min(one.left.size(), other.left.size());
  require(std::equal(one.left.begin(), one.left.begin() + static_cast<std::ptrdiff_t>(common),
                     other.left.begin()));
  // Part of a streaming response may have left before the failure.
  if (one.understood) require(one.left.size() == other.left.size());
}

std::size_t markers(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(marker); at != text.npos; at = text.find(marker, at + 1)) ++count;
  return count;
}

std::string_view text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void put_i32(Bytes& to, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::byte>(value >> shift));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size < 4) return 0;
  Asked asked;
  asked.key = keys[input[0] % keys.size()];
  const kafka::Api* api = kafka::find_api(asked.key);
  const kafka::Versions versions = api != nullptr && api->clamped ? api->versions : kafka::between(0, 3);
  asked.version = static_cast<ApiVersion>(versions.from + input[1] % (versions.to - versions.from + 1));
  asked.exact = (input[2] & 1) == 0;
  const auto body = std::as_bytes(std::span(input + 4, size - 4));
  Bytes frames;
  put_i32(frames, body.size() + 4);
  put_i32(frames, 7);
  frames.insert(frames.end(), body.begin(), body.end());
  put_i32(frames, 12);
  put_i32(frames, 8);
  put_i32(frames, 0x01020304);
  put_i32(frames, 0x05060708);

  const Outcome whole = walk(asked, frames, Cuts::whole());
  require_same(whole, walk(asked, frames, Cuts::seeded(input[3])));
  if (frames.size() <= 4096) require_same(whole, walk(asked, frames, Cuts::bytes()));
  require_same(whole, walk(asked, frames, Cuts::seeded(input[3]), true));
  if (!whole.understood) return 0;
  const Outcome again = walk(asked, whole.left, Cuts::whole());
  require(again.understood && again.ours && again.left == whole.left);
  // If only upstream hosts contain the marker, it may not leave.
  if (markers(text_of(frames)) == markers(whole.hosts)) require(markers(text_of(whole.left)) == 0);
  return 0;
}
