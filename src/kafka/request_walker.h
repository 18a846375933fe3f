// Cuts the client's bytes into requests, queues an entry for each, and lets them pass as they came. Bytes to
// bytes: never does I/O, and owns no received bytes beyond a partial header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/failure.h"
#include "base/ids.h"
#include "base/lazy_bytes.h"
#include "kafka/chunk.h"
#include "kafka/conversation.h"
#include "kafka/output.h"
#include "kafka/request_header.h"
#include "kafka/schema.h"
#include "kafka/structure_walker.h"
#include "kafka/walker_pool.h"

namespace kferry::kafka {

// A request with a complete, plausible header. Strings are valid during the call only.
struct Request {
  ApiKey key{};
  ApiVersion version = 0;
  CorrelationId correlation_id{};
  std::string_view client_id;
  std::uint32_t frame_size = 0;      // including the 4-byte length
  bool raw_token = false;            // a SASL token after SaslHandshake 0; it has no header fields
  bool own_answer = false;           // kferry will answer it; nothing goes upstream
  std::optional<NodeId> asked_node;  // if ApiVersions 5 names a node (id ≥ 0)
  std::string_view asked_cluster;    // the cluster id that it names; empty: none
};

enum class Judgement : std::uint8_t {
  forward,
  // Not yet: the walker asks again when it is next fed, even without new input. Nothing of the frame has left
  // or is consumed; if its header came in pieces, they stay held.
  wait,
  close,  // for a reason that the judge keeps; feed() stops with Stop::refused
};

class RequestJudge {
 public:
  virtual ~RequestJudge() = default;
  // Called once per frame before any byte of it passes, and again after `wait`.
  virtual Judgement judge(const Request& request) = 0;
};

class RequestWalker {
 public:
  enum class Stop : std::uint8_t {
    input,  // everything was consumed: more is needed
    judge,  // the judge said wait
    full,   // too many requests are unanswered, or a SaslHandshake 0 is: feed again after a response has been
            // walked and Conversation has room
    refused,  // the judge said close
    failed,   // failure() says why
  };
  struct Walked {
    std::size_t consumed = 0;
    Stop stop = Stop::input;
  };

  RequestWalker(Conversation& conversation, RequestJudge& judge, Output& output);
  ~RequestWalker();

  // Walks a prefix of `chunk`, which continues what has been consumed. Every consumed byte has been passed,
  // held or dropped on the output. Must not be called again after `refused` or `failed`.
  Walked feed(std::span<const std::byte> chunk);

  // How many bytes of input come next that pass unread, the rest of a frame's body; 0 if a header or a held
  // part is next. They may be moved past the walker; skip() then says so.
  std::uint64_t opaque_run() const { return stage_ == Stage::body ? left_ : 0; }
  void skip(std::uint64_t size);  // ≤ opaque_run()
  // Inside an opaque run: how many bytes of its frame have passed before it.
  std::uint64_t passed() const { return frame_size_ - left_; }

  // True between frames with nothing held: a half-close here is clean.
  bool at_boundary() const { return stage_ == Stage::boundary; }
  // True once the first complete, plausible header has been read.
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
  // The first `size` bytes of the frame, contiguous; nullptr until they have arrived.
  const std::byte* head(Chunk& chunk, std::size_t size);
  void keep(Chunk& chunk, std::size_t size);
  void begin_frame();
  bool read_length(Chunk& chunk);
  bool read_header(Chunk& chunk);
  bool read_fields(Chunk& chunk);
  void begin_token();
  bool read_token(Chunk& chunk);
  StructureWalker::Step walk_fields(std::span<const std::byte> bytes, std::size_t& at);
  void note_field();
  bool plausible(const std::byte* head) const;
  bool refuse_header(const std::byte* head);
  bool accept_header(const std::byte* head);
  bool reads_fields(const Api& api) const;
  void begin_fields();
  bool counted_tokens() const;
  // Valid once the fields have been read. The frame begins in the chunk, or else in head_.
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
  // The frame's bytes so far if its head arrives in pieces; they are held on the output, too.
  LazyBytes head_;
  std::uint32_t frame_size_ = 0;
  std::uint32_t left_ = 0;  // of the frame
  CorrelationId correlation_id_{};
  std::int32_t asked_node_ = -1;
  Text asked_cluster_;
  const OwnAnswer* own_ = nullptr;  // answers the frame, which is dropped; nullptr: it passes
  ApiKey key_{};
  ApiVersion version_ = 0;
  std::int16_t acks_ = 1;
  std::uint16_t client_id_size_ = 0;
  std::array<Text, 2> texts_;  // the fields that may be captured, in the order of their rows; or the token
  std::uint32_t enough_ = 0;   // where the captured part of the last field ends; 0: the whole field is needed
  Stage stage_ = Stage::boundary;
  std::uint8_t texts_size_ = 0;
  bool token_ = false;
  bool secret_ = false;  // head_ may hold credentials
  bool plain_ = false;   // only the client id is read
  bool started_ = false;
};

}  // namespace kferry::kafka
