// Replays frames made by Kafka's own serializers through the walkers and compares with Kafka's own bytes.
//
//   vectors_test VECTORS [--neutralised FILE] [--only TEXT]
//
// Requests: every frame passes as it came, and the queue entry is right. Responses: the whole frame, byte by
// byte and in random cuts gives Kafka's own bytes of the changed object; for the marked ones every split
// point and every truncation; many on one connection. Streaming responses are run again with no room for an
// exact rewrite, and what comes out goes to FILE, which generate.py --verify reads with Kafka's parser. Ends
// with the counts.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "kafka/api_keys.h"
#include "replay.h"
#include "vector_file.h"

namespace kferry::vectors {
namespace {

constexpr std::size_t every_split_size_max = 2048;
constexpr std::size_t byte_by_byte_size_max = 32 * 1024;
constexpr std::size_t shown_max = 40;
constexpr std::size_t connection_size = 64;

struct Count {
  const char* what;
  std::size_t passed = 0;
  std::size_t failed = 0;
};
Count requests_whole{"requests pass as they came and are queued rightly"};
Count requests_refused{"requests that must not be forwarded are not"};
Count requests_own{"ApiVersions above the table is answered by kferry"};
Count responses_exact{"responses equal Kafka's bytes, whole and cut"};
Count responses_taught{"responses teach what they name"};
Count responses_split{"marked responses: every split point and truncation"};
Count responses_short{"marked responses: a body cut short inside its length never leaks"};
Count responses_neutral{"streaming responses keep their size when neutralised"};
Count connections{"many frames on one connection"};
Count* const counts[] = {&requests_whole,  &requests_refused,  &requests_own,
                         &responses_exact, &responses_taught,  &responses_split,
                         &responses_short, &responses_neutral, &connections};

std::size_t shown = 0;

bool check(Count& count, bool good, const std::string& name, const std::function<std::string()>& why) {
  ++(good ? count.passed : count.failed);
  if (!good && shown++ < shown_max)
    std::printf("FAIL %s: %s\n     %s\n", name.c_str(), count.what, why().c_str());
  return good;
}

std::string difference(const Bytes& got, const Bytes& expected) {
  const auto [g, e] = std::mismatch(got.begin(), got.end(), expected.begin(), expected.end());
  const auto at = static_cast<std::size_t>(g - got.begin());
  const auto around = [at](const Bytes& bytes) {
    const std::size_t from = at < 16 ? 0 : at - 16;
    const std::size_t to = std::min(bytes.size(), at + 32);
    return from >= to ? std::string()
                      : to_hex(Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(to)));
  };
  return "differs at byte " + std::to_string(at) + " (" + std::to_string(got.size()) + " bytes, expected " +
         std::to_string(expected.size()) + ")\n     got      …" + around(got) + "\n     expected …" +
         around(expected);
}

bool starts_with(const Bytes& whole, const Bytes& beginning) {
  return beginning.size() <= whole.size() && std::equal(beginning.begin(), beginning.end(), whole.begin());
}

std::uint64_t seed_of(const std::string& name) {
  return std::hash<std::string>{}(name);
}

// The controllers' keys are let through, so that their frames are seen to pass untouched too.
kafka::Policy everything() {
  kafka::Policy policy;
  for (const ApiKey key : {kafka::vote_key, kafka::begin_quorum_epoch_key, kafka::end_quorum_epoch_key,
                           kafka::envelope_key, kafka::fetch_snapshot_key, kafka::update_raft_voter_key})
    policy.pass_api_keys.push_back(number(key));
  return policy;
}
const kafka::Policy open_policy = everything();
const kafka::Policy usual_policy{};
bool only_controllers_speak(const ResponseVector& v) {
  const auto& keys = open_policy.pass_api_keys;
  return std::find(keys.begin(), keys.end(), v.api) != keys.end();
}
// Everything else under the usual rules: what is let through is not hidden from ApiVersions either.
const kafka::Policy& policy_for(const ResponseVector& v) {
  return only_controllers_speak(v) ? open_policy : usual_policy;
}

kafka::Policy no_room() {
  kafka::Policy policy = everything();
  policy.exact_rewrite_size_max = 0;
  return policy;
}
const kafka::Policy narrow_policy = no_room();

// ---- requests

std::string judge_passed(Connection& c, const RequestVector& v) {
  if (c.to_broker.left() != v.frame) return difference(c.to_broker.left(), v.frame);
  if (!c.requests.at_boundary()) return "the walker is not at a boundary";
  if (!c.requests.started()) return "the walker says that no request was seen";
  if (c.judge.asked != 1) return "the judge was asked " + std::to_string(c.judge.asked) + " times";
  const kafka::Request& seen = c.judge.last;
  if (number(seen.key) != v.api || seen.version != v.version ||
      number(seen.correlation_id) != v.correlation_id)
    return "the judge saw another api, version or correlation id";
  if (seen.frame_size != v.frame.size()) return "the judge saw frame size " + std::to_string(seen.frame_size);
  const bool known = v.client_id.size() <= 255 ? c.judge.client_id == v.client_id
                                               : v.client_id.starts_with(c.judge.client_id);
  if (!known) return "the judge saw client id '" + c.judge.client_id + "'";
  const bool asks = seen.asked_node.has_value();
  if (asks != v.asked_node.has_value() || (asks && number(*seen.asked_node) != *v.asked_node))
    return "the judge saw another asked node";
  if (v.expect == RequestVector::Expect::unanswered) return c.conversation.empty() ? "" : "acks 0 was queued";
  if (c.conversation.size() != 1) return "queued " + std::to_string(c.conversation.size()) + " entries";
  const kafka::Unanswered& entry = c.conversation.front();
  if (number(entry.key) != v.api || entry.version != v.version ||
      number(entry.correlation_id) != v.correlation_id || entry.own)
    return "the queue entry is wrong";
  return "";
}

std::vector<Cut> cuts_for(const std::string& name, std::size_t size) {
  std::vector<Cut> cuts{{Cut::Way::whole, 0}};
  if (size <= byte_by_byte_size_max) cuts.push_back({Cut::Way::bytes, 0});
  for (std::uint64_t i = 0; i < 2; ++i) cuts.push_back({Cut::Way::random, seed_of(name) + i});
  cuts.push_back({Cut::Way::random_moved, seed_of(name) + 7});
  cuts.push_back({Cut::Way::random_ahead, seed_of(name) + 8});
  return cuts;
}

void replay(const RequestVector& v) {
  using Expect = RequestVector::Expect;
  for (const Cut& cut : cuts_for(v.name, v.frame.size())) {
    if (v.expect == Expect::refused || v.expect == Expect::hidden) {
      Connection c(usual_policy);
      c.feed_requests(v.frame, cut);
      check(requests_refused, c.refused && c.to_broker.left().empty() && !c.requests.failure().text.empty(),
            v.name, [&] {
              return to_string(cut) + ": refused " + std::to_string(c.refused) + ", " +
                     std::to_string(c.to_broker.left().size()) + " bytes left " + c.trouble;
            });
      if (v.expect == Expect::refused) continue;
    }
    Connection c(open_policy);
    if (v.expect == Expect::own) {
      const bool fed = c.feed_requests(v.frame, cut);
      c.responses.answer_own();
      const bool good =
          fed && c.to_broker.left().empty() && c.to_client.left() == v.own_answer && c.conversation.empty();
      check(requests_own, good, v.name, [&] {
        return to_string(cut) + ": " + c.trouble + " " + std::to_string(c.to_broker.left().size()) +
               " bytes went upstream; " + difference(c.to_client.left(), v.own_answer);
      });
      continue;
    }
    const bool fed = c.feed_requests(v.frame, cut);
    const std::string wrong = fed ? judge_passed(c, v) : c.trouble;
    check(requests_whole, wrong.empty(), v.name, [&] { return to_string(cut) + ": " + wrong; });
  }
}

// ---- responses

std::string judge_lessons(const Connection& c, const ResponseVector& v) {
  std::vector<std::int32_t> missing;
  for (const LearntBroker& broker : v.brokers)
    if (!MappedView::mappable(broker.id)) missing.push_back(broker.id);
  std::vector<std::int32_t> told = c.view.missing;
  for (std::vector<std::int32_t>* ids : {&missing, &told}) {
    std::sort(ids->begin(), ids->end());
    ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  }
  if (missing != told)
    return "told of " + std::to_string(told.size()) + " ids left out, expected " +
           std::to_string(missing.size());
  if (v.teaches == 'H') {
    for (const std::int16_t key : v.hidden)
      if (std::find(c.view.hidden.begin(), c.view.hidden.end(), key) == c.view.hidden.end())
        return "hidden key " + std::to_string(key) + " was not told";
    for (const std::int16_t key : c.view.hidden)
      if (std::find(v.hidden.begin(), v.hidden.end(), key) == v.hidden.end() &&
          std::find(v.dropped.begin(), v.dropped.end(), key) == v.dropped.end())
        return "key " + std::to_string(key) + " was told to be hidden";
  }
  const bool nothing = v.teaches == 0 || v.teaches == 'H';
  if (c.view.lessons.empty()) {
    const bool optional = nothing || v.teaches == 'E' || (v.teaches == 'P' && v.brokers.empty());
    return optional ? "" : "nothing was taught";
  }
  if (nothing || c.view.lessons.size() != 1)
    return "taught " + std::to_string(c.view.lessons.size()) + " times";
  const MappedView::Lesson& lesson = c.view.lessons.front();
  if (lesson.source != v.api) return "taught from API " + std::to_string(lesson.source);
  if (lesson.full != (v.teaches == 'F')) return "taught a full list where it is partial, or the reverse";
  if (v.teaches != 'E' && lesson.cluster_id != v.cluster_id) return "taught another cluster id";
  if (lesson.brokers != v.brokers) return "taught other brokers";
  if (lesson.left_before != 0) return std::to_string(lesson.left_before) + " bytes left before it was taught";
  return "";
}

struct Outcome {
  bool fed = false;
  bool ended = false;  // at a boundary with the queue empty
  Bytes left;
  std::string trouble;
};

Outcome answer(Connection& c, const ResponseVector& v, const Cut& cut) {
  Outcome outcome;
  outcome.fed = c.feed_requests(v.request, {}) && c.feed_responses(v.before, cut);
  outcome.ended = c.responses.at_boundary() && c.conversation.empty();
  outcome.left = c.to_client.left();
  outcome.trouble = c.trouble;
  return outcome;
}

// Around this size, and beyond, a streaming response may be neutralised.
bool too_large_for_exact(const ResponseVector& v) {
  return v.streams && v.before.size() + 16 > exact_rewrite_size_max;
}

void replay_exact(const ResponseVector& v, std::ostream* neutralised) {
  for (const Cut& cut : cuts_for(v.name, v.before.size())) {
    Connection c(policy_for(v));
    const Outcome got = answer(c, v, cut);
    if (too_large_for_exact(v) && got.fed && got.ended && got.left != v.after) {
      const bool same_size = got.left.size() == v.before.size();
      check(responses_neutral, same_size, v.name,
            [&] { return to_string(cut) + ": " + difference(got.left, v.before); });
      if (neutralised != nullptr) *neutralised << v.name << ' ' << to_hex(got.left) << '\n';
      continue;
    }
    if (!check(responses_exact, got.fed && got.ended && got.left == v.after, v.name, [&] {
          return to_string(cut) + ": " + (got.ended ? "" : "not at a boundary, ") + got.trouble + " " +
                 difference(got.left, v.after);
        }))
      return;
    if (too_large_for_exact(v)) continue;
    const std::string wrong = judge_lessons(c, v);
    check(responses_taught, wrong.empty(), v.name, [&] { return to_string(cut) + ": " + wrong; });
  }
}

// Every split point; and every truncation, which is the state after each byte of a run byte by byte.
void replay_every_split(const ResponseVector& v, const kafka::Policy& policy, const Bytes& expected) {
  const std::span<const std::byte> before(v.before);
  for (std::size_t at = 0; at < v.before.size(); ++at) {
    Connection c(policy);
    bool good = c.feed_requests(v.request, {}) && c.feed_responses(before.first(at), {});
    std::string wrong = good ? "" : c.trouble;
    if (good && !starts_with(expected, c.to_client.left()))
      wrong = "what left is not the beginning of what must leave";
    if (good && at > 0 && c.responses.at_boundary()) wrong = "a truncated frame looks complete";
    if (wrong.empty() && !c.feed_responses(before.subspan(at), {})) wrong = c.trouble;
    if (wrong.empty() && c.to_client.left() != expected) wrong = difference(c.to_client.left(), expected);
    if (wrong.empty() && !(c.responses.at_boundary() && c.conversation.empty()))
      wrong = "not at a boundary at the end";
    if (!check(responses_split, wrong.empty(), v.name,
               [&] { return "split at " + std::to_string(at) + ": " + wrong; }))
      return;
  }
}

// A frame whose length ends it early: it may fail or pass as far as it goes, and no upstream host may leave.
void replay_short(const ResponseVector& v) {
  for (std::size_t size = 8; size < v.before.size(); ++size) {
    Bytes cut(v.before.begin(), v.before.begin() + static_cast<std::ptrdiff_t>(size));
    const std::size_t body = size - 4;
    for (std::size_t i = 0; i < 4; ++i) cut[i] = static_cast<std::byte>(body >> (24 - 8 * i));
    Connection c(policy_for(v));
    const bool fed = c.feed_requests(v.request, {}) && c.feed_responses(cut, {});
    const Bytes& left = c.to_client.left();
    const std::string_view text(reinterpret_cast<const char*>(left.data()), left.size());
    std::string wrong;
    for (const LearntBroker& broker : v.brokers)
      if (broker.host.size() >= 6 && text.find(broker.host) != std::string_view::npos)
        wrong = "host " + broker.host + " left";
    if (fed && !c.responses.at_boundary())
      wrong = "the frame is complete, and the walker waits for more of it";
    if (!check(responses_short, wrong.empty(), v.name,
               [&] { return "body of " + std::to_string(body) + ": " + wrong; }))
      return;
  }
}

void replay_neutralised(const ResponseVector& v, std::ostream* neutralised) {
  Bytes first;
  for (const Cut& cut : cuts_for(v.name, v.before.size())) {
    Connection c(narrow_policy);
    const Outcome got = answer(c, v, cut);
    if (!check(responses_neutral, got.fed && got.ended && got.left.size() == v.before.size(), v.name,
               [&] { return to_string(cut) + ": " + got.trouble + " " + difference(got.left, v.before); }))
      return;
    if (first.empty()) {
      first = got.left;
      if (neutralised != nullptr) *neutralised << v.name << ' ' << to_hex(first) << '\n';
    } else if (!check(responses_neutral, got.left == first, v.name, [&] {
                 return to_string(cut) + ": not as when whole: " + difference(got.left, first);
               })) {
      return;
    }
  }
  if (v.every_split && v.before.size() <= every_split_size_max) replay_every_split(v, narrow_policy, first);
}

void replay_connection(const std::vector<ResponseVector>& batch, std::uint64_t seed) {
  Bytes requests;
  Bytes responses;
  Bytes expected;
  for (const ResponseVector& v : batch) {
    requests.insert(requests.end(), v.request.begin(), v.request.end());
    responses.insert(responses.end(), v.before.begin(), v.before.end());
    expected.insert(expected.end(), v.after.begin(), v.after.end());
  }
  for (const Cut& cut : {Cut{Cut::Way::whole, 0}, Cut{Cut::Way::random, seed},
                         Cut{Cut::Way::random_moved, seed}, Cut{Cut::Way::random_ahead, seed}}) {
    Connection c(usual_policy);
    const bool fed = c.feed_requests(requests, cut) && c.feed_responses(responses, cut);
    const bool good =
        fed && c.to_broker.left() == requests && c.to_client.left() == expected && c.conversation.empty();
    check(connections, good, "from " + batch.front().name,
          [&] { return to_string(cut) + ": " + c.trouble + " " + difference(c.to_client.left(), expected); });
  }
}

}  // namespace

int run(const std::string& path, const std::string& neutralised_path, std::string_view only) {
  std::ofstream file;
  if (!neutralised_path.empty()) {
    file.open(neutralised_path);
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", neutralised_path.c_str());
      return 1;
    }
  }
  std::ostream* neutralised = neutralised_path.empty() ? nullptr : &file;
  std::vector<ResponseVector> batch;
  const auto wanted = [only](const std::string& name) {
    return only.empty() || name.find(only) != std::string::npos;
  };
  const bool read = read_vectors(
      path,
      [&](const RequestVector& v) {
        if (wanted(v.name)) replay(v);
      },
      [&](const ResponseVector& v) {
        if (!wanted(v.name)) return;
        replay_exact(v, neutralised);
        if (v.every_split && v.before.size() <= every_split_size_max) {
          replay_every_split(v, policy_for(v), v.after);
          if (v.teaches != 0 && v.teaches != 'H') replay_short(v);
        }
        if (v.streams) replay_neutralised(v, neutralised);
        // A SaslHandshake would turn the connection to raw tokens; a large frame has no single right answer.
        if (v.api == number(kafka::sasl_handshake_key) || too_large_for_exact(v) || only_controllers_speak(v))
          return;
        batch.push_back(v);
        if (batch.size() == connection_size) {
          replay_connection(batch, connections.passed + connections.failed);
          batch.clear();
        }
      });
  if (!read) return 1;
  if (!batch.empty()) replay_connection(batch, 1);
  std::size_t passed = 0;
  std::size_t failed = 0;
  for (const Count* count : counts) {
    std::printf("%-62s %8zu passed %6zu failed\n", count->what, count->passed, count->failed);
    passed += count->passed;
    failed += count->failed;
  }
  std::printf("vectors: %zu passed, %zu failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace kferry::vectors

int main(int argc, char** argv) {
  std::string path;
  std::string neutralised;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--neutralised" && i + 1 < argc)
      neutralised = argv[++i];
    else if (argument == "--only" && i + 1 < argc)
      only = argv[++i];
    else
      path = argument;
  }
  if (path.empty()) {
    std::fprintf(stderr,
                 "usage: vectors_test VECTORS [--neutralised FILE] [--only TEXT]\nVECTORS: what "
                 "tests/vectors/generate.py prints\n");
    return 2;
  }
  return kferry::vectors::run(path, neutralised, only);
}
