// Cuts the client's bytes into requests, queues what each is, and lets them pass as they came.
// Bytes to bytes: never does I/O, owns no received bytes beyond a partial header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/ids.h"
#include "kafka/chunk.h"
#include "kafka/conversation.h"
#include "kafka/output.h"
#include "kafka/request_header.h"
#include "kafka/schema.h"
#include "kafka/structure_walker.h"
#include "kafka/walker_pool.h"

namespace kferry::kafka {

// A request whose header has been read and found plausible. Strings are valid during the call only.
struct Request {
  ApiKey key{};
  ApiVersion version = 0;
  CorrelationId correlation_id{};
  std::string_view client_id;
  std::uint32_t frame_size = 0;      // with the 4-byte length
  bool raw_token = false;            // SASL token after SaslHandshake v0: the header fields are empty
  bool own_answer = false;           // kferry will answer it; nothing goes upstream
  std::optional<NodeId> asked_node;  // ApiVersions v5 that names a node (id ≥ 0)
};

enum class Judgement : std::uint8_t {
  forward,
  // Not now: the walker is fed again later, with nothing new if need be, and asks again. Nothing of the frame
  // has left or is consumed; if its header came in pieces, those stay held.
  wait,
  close,  // the judge has its own reason; feed() stops with Stop::refused
};

class RequestJudge {
 public:
  virtual ~RequestJudge() = default;
  // Called once per frame before a byte of it passes (again after `wait`).
  virtual Judgement judge(const Request& request) = 0;
};

class RequestWalker {
 public:
  enum class Stop : std::uint8_t {
    input,  // everything was consumed: more is needed
    judge,  // the judge said wait
    full,  // too many unanswered requests, or a SaslHandshake v0 whose answer is not here: feed again after a
           // response has been walked and Conversation has room
    refused,  // the judge said close
    failed,   // failure() says why
  };
  struct Walked {
    std::size_t consumed = 0;
    Stop stop = Stop::input;
  };

  RequestWalker(Conversation& conversation, RequestJudge& judge, Output& output);
  ~RequestWalker();

  // Walks a prefix of `chunk` (the bytes after those already consumed). Every consumed octet has been passed,
  // held or dropped on the output. After `refused` or `failed` it must not be called again.
  Walked feed(std::span<const std::byte> chunk);

  // The next octets of input that pass whatever they are (rest of a frame's opaque body); 0 when a header or
  // a held part is next. They may be moved without being seen, then told to skip().
  std::uint64_t opaque_run() const { return stage_ == Stage::body ? left_ : 0; }
  void skip(std::uint64_t size);  // ≤ opaque_run()
  // Inside an opaque run: the octets of its frame that have passed before it.
  std::uint64_t passed() const { return frame_size_ - left_; }

  // True between frames with nothing held: a half-close here is clean.
  bool at_boundary() const { return stage_ == Stage::boundary; }
  // True once a first complete plausible header has been seen.
  bool started() const { return started_; }
  const Failure& failure() const;

 private:
  // boundary ─▶ length ─▶ header ─▶ fields ─▶ ready ─judged─▶ body │ dropping ─▶ boundary
  //                └── raw token [─▶ token] ───┘
  enum class Stage : std::uint8_t { boundary, length, header, fields, token, ready, body, dropping };
  struct Text {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };

  Stop advance(Chunk& chunk);
  // The first `size` octets of the frame in one run, nullptr while they are not here.
  const std::byte* head(Chunk& chunk, std::size_t size);
  void keep(Chunk& chunk, std::size_t size);
  void begin_frame();
  bool read_length(Chunk& chunk);
  bool read_header(Chunk& chunk);
  bool read_fields(Chunk& chunk);
  void begin_token();
  bool read_token(Chunk& chunk);
  StructureWalker::Step walk_fields(std::span<const std::byte> octets, std::size_t& at);
  void note_field();
  bool plausible(const std::byte* head) const;
  bool refuse_header(const std::byte* head);
  bool accept_header(const std::byte* head);
  bool reads_fields(const Api& api) const;
  void begin_fields();
  bool counted_tokens() const;
  // Valid once the fields are here: in the chunk where the frame begins in it, else among what is kept.
  std::string_view text(const Chunk& chunk, const Text& where) const {
    const std::byte* frame = head_.empty() ? chunk.data() : head_.data();
    return {reinterpret_cast<const char*>(frame) + where.at, where.size};
  }
  std::string_view client_id(const Chunk& chunk) const {
    return text(chunk, {plausible_size, client_id_size_});
  }
  Stop ask(Chunk& chunk);
  void hand_over(const Request& request, const Chunk& chunk);
  void queue(const Chunk& chunk);
  void drop_head();
  void forward();

  Conversation& conversation_;
  RequestJudge& judge_;
  Output& output_;
  std::unique_ptr<Failure> failure_;
  WalkerPtr walker_;  // while a structure is walked
  // The frame's octets so far, held on the output too, when its head does not come in one piece.
  std::vector<std::byte> head_;
  std::uint32_t frame_size_ = 0;
  std::uint32_t left_ = 0;  // of the frame
  CorrelationId correlation_id_{};
  std::int32_t asked_node_ = -1;
  const OwnAnswer* own_ = nullptr;  // the frame goes nowhere, and this answers it
  ApiKey key_{};
  ApiVersion version_ = 0;
  std::int16_t acks_ = 1;
  std::uint16_t client_id_size_ = 0;
  std::array<Text, 2> texts_;  // the fields that can be captured, in the order of the row; or the token
  std::uint32_t enough_ = 0;   // where what may be captured of the last field ends; 0: it must be here whole
  Stage stage_ = Stage::boundary;
  std::uint8_t texts_size_ = 0;
  bool token_ = false;
  bool secret_ = false;  // head_ may hold credentials
  bool plain_ = false;   // nothing is read but the client id
  bool started_ = false;
};

}  // namespace kferry::kafka
