// What an observer hears of requests and answers, and which fields it gets.
#include "kafka/observer.h"

#include <doctest/doctest.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "base/secret.h"
#include "kafka/api_table.h"
#include "kafka/own_answer.h"
#include "kafka/walking_test.h"

namespace {

constexpr std::string_view password = "correct-horse-battery-staple";
// Freed memory is searched for it while a walker runs.
[[maybe_unused]] constexpr std::string_view beginning = password.substr(0, 8);
bool searching = false;
int found_freed = 0;

// TSan's runtime defines operator new and delete itself, and a second definition does not link.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KFERRY_OPERATOR_NEW_TAKEN
#endif
#endif
#ifdef KFERRY_OPERATOR_NEW_TAKEN
constexpr bool cannot_search = true;
#else
constexpr bool cannot_search = false;

void release(void* memory) {
  if (searching && memory != nullptr &&
      memmem(memory, malloc_usable_size(memory), beginning.data(), beginning.size()) != nullptr)
    ++found_freed;
  std::free(memory);
}
#endif

}  // namespace

#ifndef KFERRY_OPERATOR_NEW_TAKEN
void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  release(memory);
}
#endif

namespace kferry::kafka::test {
namespace {

using Stop = RequestWalker::Stop;

class Notes final : public Observer {
 public:
  void captured(const Request& request, const Captured& field) override {
    lines.push_back(std::string(field.field.name) + "=" + std::string(text_of(field.bytes)));
    sizes.push_back(field.size);
    secret = field.field.secret;
    CHECK(field.bytes.size() == std::min<std::size_t>(field.size, field.field.captured_max));
    CHECK((request.raw_token || number(request.correlation_id) == 7));
  }
  void queued(const Unanswered& request) override { lines.push_back("queued " + entry(request)); }
  void rewritten(const Unanswered& request) override { lines.push_back("rewritten " + entry(request)); }
  void answered(const Unanswered& request) override { lines.push_back("answered " + entry(request)); }

  std::vector<std::string> lines;
  std::vector<std::uint32_t> sizes;
  bool secret = false;

 private:
  static std::string entry(const Unanswered& request) {
    return std::string(api_name(request.key)) + " v" + std::to_string(request.version) +
           (request.own != nullptr ? " own" : "");
  }
};

constexpr Roles everything{Role::client_id,     Role::mechanism,        Role::sasl_bytes,
                           Role::software_name, Role::software_version, Role::acks};

using Lines = std::vector<std::string>;

// Checks that the observer hears `expected` of `frame` wherever it is cut, and that the frame passes as it
// came.
void check_captured(const Bytes& frame, const Lines& expected, Roles wanted = everything) {
  for (std::size_t step = 1; step <= frame.size(); ++step) {
    Notes notes;
    Walked c;
    c.conversation.observe(&notes, wanted);
    REQUIRE(c.ask(frame, step) == Stop::input);
    REQUIRE(notes.lines == expected);
    REQUIRE(c.to_broker.left == frame);
    REQUIRE(c.requests.at_boundary());
  }
}

Bytes api_versions() {
  return request(api_versions_key, 3, 7, "client-1")
      .one_tag(5, "unknown")
      .compact_str("apache-kafka-java")
      .compact_str("4.1.0")
      .no_tags()
      .frame();
}

std::string plain_token() {
  return std::string("\0alice\0", 7).append(password);
}

Bytes authenticate(int version, std::string_view token) {
  Writer out = request(sasl_authenticate_key, version, 7, "client-1");
  if (version < 2) return out.bytes(bytes_of(token)).frame();
  return out.no_tags().compact_array(token.size()).raw(token).no_tags().frame();
}

TEST_CASE("captured fields are the same however a request is cut") {
  check_captured(api_versions(), {"client_id=client-1", "client_software_name=apache-kafka-java",
                                  "client_software_version=4.1.0", "queued ApiVersions v3"});
  check_captured(request(api_versions_key, 0, 7, "old").frame(), {"client_id=old", "queued ApiVersions v0"});
  check_captured(request(sasl_handshake_key, 1).str("SCRAM-SHA-256").frame(),
                 {"client_id=c", "mechanism=SCRAM-SHA-256", "queued SaslHandshake v1"});
  for (const int version : {0, 1, 2})
    check_captured(authenticate(version, plain_token()),
                   {"client_id=client-1", "auth_bytes=" + plain_token(),
                    "queued SaslAuthenticate v" + std::to_string(version)});
  check_captured(request(offset_fetch_key, 7, 7, "consumer").zeros(50).frame(),
                 {"client_id=consumer", "queued OffsetFetch v7"});
  check_captured(request(produce_key, 7).str("transaction").i16(0).zeros(20).frame(), {"client_id=c"});
}

TEST_CASE("an observer gets the roles it asked for, and no others") {
  check_captured(api_versions(), {"client_software_version=4.1.0", "queued ApiVersions v3"},
                 {Role::software_version});
  check_captured(authenticate(1, plain_token()), {"client_id=client-1", "queued SaslAuthenticate v1"},
                 {Role::client_id});
  check_captured(authenticate(1, plain_token()), {"queued SaslAuthenticate v1"}, {});
}

TEST_CASE("a field is captured up to its limit, without waiting for the rest") {
  const std::size_t limit = raw_token_field().captured_max;
  const std::string token = plain_token().append(3 * limit, 'x');
  const Bytes frame = authenticate(1, token);
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}, limit, frame.size()}) {
    Notes notes;
    Walked c;
    c.conversation.observe(&notes, {Role::sasl_bytes});
    REQUIRE(c.ask(Bytes(frame.begin(), frame.end() - 1), step) == Stop::input);
    CHECK(c.to_broker.left.size() == frame.size() - 1);
    REQUIRE(notes.sizes.size() == 1);
    CHECK(notes.sizes[0] == token.size());
    CHECK(notes.secret);
    CHECK(notes.lines[0] == "auth_bytes=" + token.substr(0, limit));
    CHECK(c.ask({frame.back()}) == Stop::input);
    CHECK(c.to_broker.left == frame);
  }
}

TEST_CASE("without an observer SaslAuthenticate passes once its client id has arrived") {
  const Bytes frame = authenticate(1, std::string(200'000, 'x'));
  Walked c;
  REQUIRE(c.ask(Bytes(frame.begin(), frame.begin() + 30)) == Stop::input);
  CHECK(c.to_broker.left.size() == 30);
  CHECK(c.requests.opaque_run() == frame.size() - 30);
}

TEST_CASE("versions of SaslAuthenticate beyond the table pass unread") {
  check_captured(authenticate(3, plain_token()), {"client_id=client-1", "queued SaslAuthenticate v3"});
}

TEST_CASE("raw tokens after SaslHandshake 0 are captured") {
  const Bytes handshake = request(sasl_handshake_key, 0).str("PLAIN").frame();
  const Bytes accepted = response().i16(0).i32(1).str("PLAIN").frame();
  const Bytes token = Writer().raw(plain_token()).frame();
  const Bytes next = request(metadata_key, 1).i32(0).frame();
  for (std::size_t step = 1; step <= token.size(); ++step) {
    Notes notes;
    Walked c;
    c.conversation.observe(&notes, {Role::sasl_bytes});
    REQUIRE(c.ask(handshake) == Stop::input);
    REQUIRE(c.answer(accepted) == ResponseWalker::Stop::input);
    notes.lines.clear();
    REQUIRE(c.ask(token + next, step) == Stop::input);
    CHECK(notes.lines == Lines{"auth_bytes=" + plain_token(), "queued Metadata v1"});
    CHECK(c.to_broker.left == handshake + token + next);
  }
}

TEST_CASE("raw GSSAPI tokens are captured, and the request behind them is not") {
  const Bytes handshake = request(sasl_handshake_key, 0).str("GSSAPI").frame();
  const Bytes accepted = response().i16(0).i32(1).str("GSSAPI").frame();
  const std::string ticket = std::string("\x60\x82\x02\x5b\x06\x09\x2a\x86", 8).append(100, 't');
  const Bytes tokens = Writer().raw(ticket).frame() + Writer().frame();
  const Bytes next = request(metadata_key, 1).i32(0).frame();
  for (std::size_t step = 1; step <= tokens.size(); ++step) {
    Notes notes;
    Walked c;
    c.conversation.observe(&notes, {Role::sasl_bytes});
    REQUIRE(c.ask(handshake) == Stop::input);
    REQUIRE(c.answer(accepted) == ResponseWalker::Stop::input);
    notes.lines.clear();
    REQUIRE(c.ask(tokens + next, step) == Stop::input);
    CHECK(notes.lines == Lines{"auth_bytes=" + ticket, "auth_bytes=", "queued Metadata v1"});
    CHECK(c.to_broker.left == handshake + tokens + next);
  }
}

// Keeps nothing, so that only the walker has copies.
class Nowhere final : public Output {
 public:
  void pass(std::size_t) override {}
  void hold(std::size_t) override {}
  void drop(std::size_t) override {}
  void insert(std::span<const std::byte>) override {}
  void overwrite_held(std::size_t, std::span<const std::byte>) override {}
  void cut_held(std::size_t) override {}
  void release() override {}
};

class Counts final : public Observer {
 public:
  void captured(const Request&, const Captured& field) override { bytes += field.bytes.size(); }
  std::size_t bytes = 0;
};

// Feeds `size` bytes of a frame, `step` at a time, and ends the walker; returns how often a part of the
// password was freed.
int freed_with_password(const Bytes& frame, std::size_t size, std::size_t step, bool raw) {
  const Policy policy;
  Conversation conversation(policy);
  if (raw) {
    conversation.sasl = Conversation::Sasl::raw;
    conversation.sasl_mechanism = "PLAIN";
  }
  Counts counts;
  conversation.observe(&counts, {Role::sasl_bytes});
  Judge judge;
  Nowhere nowhere;
  found_freed = 0;
  {
    RequestWalker walker(conversation, judge, nowhere);
    searching = true;
    for (std::size_t at = 0; at < size; at += step)
      REQUIRE(walker.feed(std::span(frame).subspan(at, std::min(step, size - at))).stop == Stop::input);
  }
  searching = false;
  CHECK((size < frame.size() || counts.bytes == plain_token().size()));
  return found_freed;
}

TEST_CASE("the walker leaves no secret behind in freed memory" * doctest::skip(cannot_search)) {
  {
    found_freed = 0;
    const auto copy = std::make_unique<std::string>(password);
    std::string* const moved = new std::string(*copy);
    searching = true;
    delete moved;
    searching = false;
    REQUIRE(found_freed == 1);  // the search works
  }
  const Bytes framed = authenticate(1, plain_token());
  const Bytes token = Writer().raw(plain_token()).frame();
  for (const std::size_t step : {1U, 2U, 5U, 13U, 40U}) {
    CAPTURE(step);
    CHECK(freed_with_password(framed, framed.size(), step, false) == 0);
    CHECK(freed_with_password(framed, framed.size() - 1, step, false) == 0);
    CHECK(freed_with_password(token, token.size(), step, true) == 0);
    CHECK(freed_with_password(token, token.size() - 1, step, true) == 0);
  }
}

TEST_CASE("an observer hears of requests and answers in order") {
  Notes notes;
  Walked c;
  c.conversation.observe(&notes);
  c.expect(offset_fetch_key, 7, 1);
  c.conversation.push({api_versions_key, 9, CorrelationId{2}, &unsupported_api_versions});
  c.expect(metadata_key, 0, 3);
  c.expect(fetch_key, 17, 4);
  const Bytes fetch = response(4).no_tags().i32(0).i16(0).i32(0).compact_array(0).no_tags().frame();
  const Bytes answers = response(1).zeros(9).frame() + response(3).i32(0).i32(0).frame() + fetch;
  notes.lines.clear();
  REQUIRE(c.answer(answers, 3) == ResponseWalker::Stop::input);
  CHECK(notes.lines == Lines{"answered OffsetFetch v7", "answered ApiVersions v9 own",
                             "rewritten Metadata v0", "answered Metadata v0", "answered Fetch v17"});
  c.conversation.observe(nullptr);
  c.expect(metadata_key, 0, 3);
  CHECK(notes.lines.size() == 5);
}

}  // namespace
}  // namespace kferry::kafka::test
