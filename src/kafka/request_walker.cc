#include "kafka/request_walker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "base/secret.h"
#include "kafka/api_table.h"
#include "kafka/failures.h"
#include "kafka/observer.h"
#include "kafka/request_header.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

constexpr std::int32_t request_size_min = 10;
constexpr std::int16_t version_max = 127;
constexpr std::size_t kept_text_max = 64;
static_assert(plausible_size == length_size + static_cast<std::size_t>(request_size_min));

}  // namespace

RequestWalker::RequestWalker(Conversation& conversation, RequestJudge& judge, Output& output)
    : conversation_(conversation), judge_(judge), output_(output) {}

RequestWalker::~RequestWalker() {
  drop_head();
}

const Failure& RequestWalker::failure() const {
  return failure_ ? *failure_ : no_failure();
}

RequestWalker::Walked RequestWalker::feed(std::span<const std::byte> bytes) {
  KFERRY_ASSERT(!failure_);
  Chunk chunk(bytes, output_);
  const Stop stop = advance(chunk);
  chunk.report_passed();
  return {chunk.reported(), stop};
}

RequestWalker::Stop RequestWalker::advance(Chunk& chunk) {
  const auto unfinished = [this] { return failure_ ? Stop::failed : Stop::input; };
  for (;;) {
    switch (stage_) {
      case Stage::boundary:
        if (chunk.empty()) return Stop::input;
        if (conversation_.sasl == Conversation::Sasl::awaiting_handshake || conversation_.full())
          return Stop::full;
        begin_frame();
        break;
      case Stage::length:
        if (!read_length(chunk)) return unfinished();
        break;
      case Stage::header:
        if (!read_header(chunk)) return unfinished();
        break;
      case Stage::fields:
        if (!read_fields(chunk)) return unfinished();
        break;
      case Stage::token:
        if (!read_token(chunk)) return unfinished();
        break;
      case Stage::ready: {
        const Stop stop = ask(chunk);
        if (stop != Stop::input) return stop;
        break;
      }
      case Stage::body:
      case Stage::dropping: {
        const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(left_, chunk.left()));
        chunk.at += size;
        left_ -= size;
        if (stage_ == Stage::body) {
          chunk.let_pass();
        } else {
          chunk.drop();
        }
        if (left_ > 0) return Stop::input;
        stage_ = Stage::boundary;
        break;
      }
    }
  }
}

void RequestWalker::skip(std::uint64_t size) {
  KFERRY_ASSERT(size <= opaque_run());
  left_ -= static_cast<std::uint32_t>(size);
  if (stage_ == Stage::body && left_ == 0) stage_ = Stage::boundary;
}

void RequestWalker::begin_frame() {
  KFERRY_ASSERT(stage_ == Stage::boundary);
  KFERRY_ASSERT(head_.empty());
  stage_ = Stage::length;
  token_ = false;
  own_ = nullptr;
  acks_ = 1;
  asked_node_ = -1;
  asked_cluster_ = {};
  client_id_size_ = 0;
  texts_ = {};
  texts_size_ = 0;
  enough_ = 0;
  secret_ = conversation_.sasl == Conversation::Sasl::raw;
}

void RequestWalker::keep(Chunk& chunk, std::size_t size) {
  std::vector<std::byte>& head = head_.vector();
  if (secret_ && head.capacity() - head.size() < size) {
    // Growing by itself, the vector would leave the secret behind in freed memory.
    std::vector<std::byte> larger;
    larger.reserve(std::max(2 * head.capacity(), head.size() + size));
    append(larger, head);
    wipe(head);
    head.swap(larger);
  }
  append(head, std::span(chunk.data(), size));
  chunk.at += size;
  chunk.hold();
}

const std::byte* RequestWalker::head(Chunk& chunk, std::size_t size) {
  if (head_.empty() && chunk.left() >= size) return chunk.data();
  if (head_.size() < size) keep(chunk, std::min(size - head_.size(), chunk.left()));
  return head_.size() >= size ? head_.data() : nullptr;
}

bool RequestWalker::counted_tokens() const {
  const std::string_view mechanism = conversation_.sasl_mechanism.view();
  return mechanism == "PLAIN" || mechanism.starts_with("SCRAM-");
}

bool RequestWalker::read_length(Chunk& chunk) {
  const std::byte* bytes = head(chunk, length_size);
  if (bytes == nullptr) return false;
  const auto size = load<std::int32_t>(bytes);
  const bool raw = conversation_.sasl == Conversation::Sasl::raw;
  const auto size_max = static_cast<std::int64_t>(conversation_.policy().request_size_max);
  if (size > size_max || size < (raw ? 0 : request_size_min)) {
    failure_ = foreign_client(std::span<const std::byte, 4>(bytes, 4));
    if (failure_) return false;
    const char* cause = size < 0          ? "negative_frame_size"
                        : size > size_max ? "frame_too_large"
                                          : "frame_too_small";
    failure_ = make_failure(
        cause, "the client announced a request of " + counted(size, "byte") + ", but " +
                   std::to_string(request_size_min) + " to " + std::to_string(size_max) +
                   " are possible: is it a Kafka client, and does its security.protocol match the listener?");
    return false;
  }
  frame_size_ = static_cast<std::uint32_t>(size) + length_size;
  if (raw && (counted_tokens() || size < request_size_min)) {
    begin_token();
  } else {
    stage_ = Stage::header;
  }
  return true;
}

// True if the frame can be a request that is not hidden. Also tells a request from a token.
bool RequestWalker::plausible(const std::byte* bytes) const {
  const ApiKey key{load<std::int16_t>(bytes + api_key_at)};
  const auto version = load<ApiVersion>(bytes + version_at);
  if (version < 0 || version > version_max) return false;
  if (hidden(key, conversation_.policy().pass_api_keys) && !used_by_controllers_only(key)) return false;
  if (key == controlled_shutdown_key && version == 0) return true;  // no client id
  const auto client_id_size = load<std::int16_t>(bytes + client_id_at);
  return client_id_size >= -1 && client_id_size <= static_cast<std::int64_t>(frame_size_ - plausible_size);
}

bool RequestWalker::read_header(Chunk& chunk) {
  const std::byte* bytes = head(chunk, plausible_size);
  if (bytes == nullptr) return false;
  if (!plausible(bytes)) {
    if (conversation_.sasl != Conversation::Sasl::raw) return refuse_header(bytes);
    begin_token();
    return true;
  }
  conversation_.sasl = Conversation::Sasl::framed;
  if (!accept_header(bytes)) return false;
  // Of most requests only the client id is read, and they arrive in one piece.
  const auto client_id_size = load<std::int16_t>(bytes + client_id_at);
  const std::size_t size =
      plausible_size + static_cast<std::size_t>(std::max<std::int16_t>(client_id_size, 0));
  if (plain_ && head_.empty() && size <= chunk.left()) {
    client_id_size_ = static_cast<std::uint16_t>(size - plausible_size);
    started_ = true;
    stage_ = Stage::ready;
    return true;
  }
  begin_fields();
  return true;
}

// Always false.
bool RequestWalker::refuse_header(const std::byte* bytes) {
  const ApiKey key{load<std::int16_t>(bytes + api_key_at)};
  const auto version = load<ApiVersion>(bytes + version_at);
  const bool token = bytes[4] == std::byte{0x60} || (bytes[4] == std::byte{5} && bytes[5] == std::byte{4});
  if (started_ && number(key) > newest_api_key && version >= 0 && version <= version_max) {
    failure_ = hidden_api(key, version, conversation_);
  } else if (!started_ && token) {
    failure_ =
        make_failure("gssapi_token_first",
                     "an old client sent a GSSAPI token without SaslHandshake, which kferry cannot forward: "
                     "use a client of Kafka 1.0 or newer (Kerberos names the broker's host, and needs "
                     "the advertised host's name)");
  } else {
    failure_ = make_failure("implausible_request_header",
                            "not a Kafka request: API key " + std::to_string(number(key)) + " (" +
                                std::string(api_name(key)) + "), version " + std::to_string(version) +
                                ", client id of " + std::to_string(load<std::int16_t>(bytes + client_id_at)) +
                                " bytes in a frame of " + std::to_string(frame_size_) +
                                ": is it a Kafka client? To let a key pass that is newer than this build, "
                                "add it to pass_api_keys");
  }
  return false;
}

bool RequestWalker::accept_header(const std::byte* bytes) {
  key_ = ApiKey{load<std::int16_t>(bytes + api_key_at)};
  version_ = load<ApiVersion>(bytes + version_at);
  correlation_id_ = CorrelationId{load<std::int32_t>(bytes + correlation_id_at)};
  if (hidden(key_, conversation_.policy().pass_api_keys)) {
    failure_ = hidden_api(key_, version_, conversation_);
    return false;
  }
  const Api* api = find_api(key_);
  plain_ = api == nullptr || !reads_fields(*api);
  if (api != nullptr && api->clamped && !api->versions.has(version_)) {
    own_ = api->refusal;
    if (own_ == nullptr) {
      failure_ = version_outside_table(key_, version_, conversation_);
      return false;
    }
    plain_ = true;
  }
  return true;
}

bool RequestWalker::reads_fields(const Api& api) const {
  if (api.request.fields.data() == plain_request().fields.data()) return false;
  return api.read_for == Role::none ||
         (conversation_.captured().has(api.read_for) && api.versions.has(version_));
}

RequestWalker::Stop RequestWalker::ask(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::ready);
  Request request;
  request.frame_size = frame_size_;
  request.raw_token = token_;
  if (!token_) {
    request.key = key_;
    request.version = version_;
    request.correlation_id = correlation_id_;
    request.client_id = client_id(chunk);
    request.own_answer = own_ != nullptr;
    if (asked_node_ >= 0) request.asked_node = NodeId{asked_node_};
    request.asked_cluster = text(chunk, asked_cluster_);
  }
  switch (judge_.judge(request)) {
    case Judgement::close:
      return Stop::refused;
    case Judgement::wait:
      // Nothing of a frame that began in this chunk was consumed: the next feed() reads it again.
      if (head_.empty()) stage_ = Stage::boundary;
      return Stop::judge;
    case Judgement::forward:
      break;
  }
  if (!conversation_.captured().empty()) hand_over(request, chunk);
  queue(chunk);
  forward();
  return Stop::input;
}

void RequestWalker::queue(const Chunk& chunk) {
  if (token_) {
    ++conversation_.raw_tokens;
    conversation_.ends_with_question = false;
    const std::uint32_t last = conversation_.sasl_mechanism.view() == "PLAIN" ? 1 : 2;
    if (counted_tokens() && conversation_.raw_tokens == last) conversation_.sasl = Conversation::Sasl::framed;
    return;
  }
  if (key_ == sasl_handshake_key) {
    conversation_.sasl_mechanism = text(chunk, texts_[0]).substr(0, kept_text_max);
    conversation_.raw_tokens = 0;
    if (version_ == 0) conversation_.sasl = Conversation::Sasl::awaiting_handshake;
  }
  if (key_ == api_versions_key && texts_[0].size > 0)
    conversation_.client_software =
        printable(text(chunk, texts_[0])) + " " + printable(text(chunk, texts_[1]));
  if (key_ == produce_key && acks_ == 0) {
    if (Observer* observer = conversation_.observer()) observer->unacknowledged(key_, version_);
    return conversation_.note_unacknowledged(correlation_id_);
  }
  conversation_.push({key_, version_, correlation_id_, own_});
}

void RequestWalker::forward() {
  KFERRY_ASSERT(stage_ == Stage::ready);
  stage_ = own_ != nullptr ? Stage::dropping : Stage::body;
  left_ = frame_size_ - static_cast<std::uint32_t>(head_.size());
  if (head_.empty()) return;
  if (own_ != nullptr) {
    output_.cut_held(head_.size());
  } else {
    output_.release();
  }
  drop_head();
}

void RequestWalker::drop_head() {
  if (secret_ && !head_.empty()) wipe(head_.vector());
  head_.reset();
}

}  // namespace kferry::kafka
