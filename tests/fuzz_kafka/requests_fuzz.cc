// Fuzzes the request walker. The input: one byte for the state of the connection, one for the cuts, then a
// client's bytes.
//
// However the bytes are cut, the same bytes pass, the judge sees the same requests, and the same entries are
// queued, and the same fields are captured. What leaves is what came, without the requests that kferry
// answers itself.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "kafka/api_keys.h"
#include "kafka/observer.h"
#include "kafka/request_walker.h"
#include "walk.h"

using namespace kferry;
using namespace kferry::fuzz;

namespace {

using Walker = kafka::RequestWalker;
using Sasl = kafka::Conversation::Sasl;

constexpr std::array<std::string_view, 4> mechanisms{"", "PLAIN", "SCRAM-SHA-256", "GSSAPI"};

// Notes what it is asked, and if `patient` waits once for each request.
class Judge final : public kafka::RequestJudge {
 public:
  explicit Judge(bool patient) : patient_(patient) {}
  kafka::Judgement judge(const kafka::Request& request) override {
    // Reads every string, so that a sanitizer notices a dangling one.
    std::string entry = std::to_string(number(request.key)) + " " + std::to_string(request.version) + " " +
                        std::to_string(number(request.correlation_id)) + " " +
                        std::string(request.client_id) + " " + std::to_string(request.frame_size) +
                        (request.raw_token ? " token" : "") + (request.own_answer ? " own" : "") +
                        (request.asked_node ? " node " + std::to_string(number(*request.asked_node)) : "");
    if (patient_ && !waited_) {
      waited_ = true;
      return kafka::Judgement::wait;
    }
    waited_ = false;
    own_bytes += request.own_answer ? request.frame_size : 0;
    seen.push_back(std::move(entry));
    return seen.size() % 32 == 31 ? kafka::Judgement::close : kafka::Judgement::forward;
  }
  std::vector<std::string> seen;
  std::size_t own_bytes = 0;

 private:
  bool patient_;
  bool waited_ = false;
};

// Notes every field that can be captured.
class Everything final : public kafka::Observer {
 public:
  void captured(const kafka::Request&, const kafka::Captured& field) override {
    require(field.bytes.size() == std::min<std::size_t>(field.size, field.field.captured_max));
    fields += std::string(field.field.name) + "=" + std::string(text_of(field.bytes)) + "\n";
  }
  std::string fields;
};

struct Outcome {
  Walker::Stop stop = Walker::Stop::input;
  std::string failure;
  Bytes left;
  std::vector<std::string> seen;
  std::string queued;
  std::string captured;
  bool boundary = false;
};

void answer_oldest(kafka::Conversation& conversation, std::string& queued) {
  const kafka::Unanswered& oldest = conversation.front();
  queued += std::to_string(number(oldest.key)) + (oldest.own ? "o" : "") + " ";
  if (conversation.sasl == Sasl::awaiting_handshake && oldest.key == kafka::sasl_handshake_key &&
      oldest.version == 0) {
    conversation.sasl = number(oldest.correlation_id) % 2 == 0 ? Sasl::raw : Sasl::framed;
    conversation.raw_answers = conversation.sasl == Sasl::raw;
  }
  conversation.pop();
}

Outcome walk(std::uint8_t state, std::span<const std::byte> bytes, Cuts cuts, bool patient) {
  kafka::Policy policy;
  policy.unanswered_max = 4;
  if ((state & 4) != 0) policy.pass_api_keys = {95, 52};
  kafka::Conversation conversation(policy);
  conversation.sasl_mechanism = mechanisms[state % 4];
  if (!conversation.sasl_mechanism.empty()) conversation.sasl = Sasl::raw;
  Everything everything;
  if ((state & 8) != 0)
    conversation.observe(&everything,
                         {kafka::Role::client_id, kafka::Role::software_name, kafka::Role::software_version,
                          kafka::Role::mechanism, kafka::Role::sasl_bytes});
  Judge judge(patient);
  Leaving output;
  Walker walker(conversation, judge, output);
  Outcome outcome;
  const std::size_t came = bytes.size();
  bool waiting = false;
  while (!bytes.empty() || waiting) {
    const auto walked = feed(walker, output, bytes.first(cuts.next(bytes.size())));
    bytes = bytes.subspan(walked.consumed);
    outcome.stop = walked.stop;
    waiting = walked.stop == Walker::Stop::judge;
    if (walked.stop == Walker::Stop::full) {
      require(!conversation.empty() && walker.at_boundary());
      answer_oldest(conversation, outcome.queued);
    } else if (walked.stop == Walker::Stop::failed || walked.stop == Walker::Stop::refused) {
      break;
    }
  }
  if (outcome.stop == Walker::Stop::failed) {
    require(!walker.failure().cause.empty() && !walker.failure().text.empty());
    outcome.failure = std::string(walker.failure().cause) + ": " + walker.failure().text;
  } else {
    require(output.left.size() + output.held.size() + judge.own_bytes >= came - bytes.size());
    outcome.boundary = walker.at_boundary();
    require(!outcome.boundary || output.held.empty() || outcome.stop != Walker::Stop::input);
  }
  while (!conversation.empty()) answer_oldest(conversation, outcome.queued);
  outcome.left = std::move(output.left);
  outcome.seen = std::move(judge.seen);
  outcome.captured = std::move(everything.fields);
  return outcome;
}

void require_same(const Outcome& one, const Outcome& other) {
  require(one.stop == other.stop && one.failure == other.failure && one.seen == other.seen &&
          one.queued == other.queued && one.captured == other.captured && one.left == other.left &&
          one.boundary == other.boundary);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size < 2) return 0;
  const auto bytes = std::as_bytes(std::span(input + 2, size - 2));
  const Outcome whole = walk(input[0], bytes, Cuts::whole(), false);
  require_same(whole, walk(input[0], bytes, Cuts::seeded(input[1]), false));
  require_same(whole, walk(input[0], bytes, Cuts::whole(), true));
  if (bytes.size() <= 4096) require_same(whole, walk(input[0], bytes, Cuts::bytes(), true));
  return 0;
}
