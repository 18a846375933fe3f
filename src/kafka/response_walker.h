// Cuts the broker's bytes into responses, matches each to its request, and rewrites broker addresses in those
// that carry them. Bytes to bytes: never does I/O, owns no received bytes beyond the held part of a frame (≤
// Policy::held_size_max).
//
// Opaque responses pass as they came. Of Metadata, FindCoordinator, DescribeCluster, DescribeQuorum and
// ApiVersions the walker keeps what comes up to the last address, and its own version leaves instead.
// Produce, Fetch, ShareFetch and ShareAcknowledge have theirs at the end: up to
// Policy::exact_rewrite_size_max (Produce: held_size_max) they are held on the output, so that their length
// can still change; beyond it they stream, and record bytes are never held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/failure.h"
#include "kafka/chunk.h"
#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/output.h"
#include "kafka/schema.h"
#include "kafka/structure_walker.h"
#include "kafka/walker_pool.h"

namespace kferry::kafka {

class Findings;

class ResponseWalker {
 public:
  enum class Stop : std::uint8_t {
    input,   // everything was consumed: more is needed
    failed,  // failure() says why
  };
  struct Walked {
    std::size_t consumed = 0;
    Stop stop = Stop::input;
  };

  ResponseWalker(Conversation& conversation, ClusterView& cluster, Output& output);
  ~ResponseWalker();

  // Walks `chunk`, which follows what was already consumed. Responses that leave the queue pop it. Answers of
  // kferry's own are inserted at their turn.
  Walked feed(std::span<const std::byte> chunk);

  // Inserts answers of kferry's own that are next in the queue and whose turn has come. To be called after a
  // request with own_answer was queued; feed() calls it itself.
  void answer_own() {
    if (own_is_next()) insert_own();
  }

  // As RequestWalker's.
  std::uint64_t opaque_run() const {
    if (stage_ == Stage::opaque) return left_;
    return stage_ == Stage::body && !exact_ ? walker_->opaque_run() : 0;
  }
  void skip(std::uint64_t size);
  std::uint64_t passed() const;

  // Inside the records of a large body, of which nothing but the tail can change.
  bool can_walk_ahead() const { return stage_ == Stage::body && !exact_ && walker_->opaque_run() > 0; }
  // Walks the opaque run and then `octets`, which follow it, before either has been fed: up to the tail, all of it
  // leaves as it came, and is not to be fed any more. How many of `octets` that are; nullopt: nothing was walked,
  // for they are malformed, which feed() will tell.
  std::optional<std::size_t> walk_ahead(std::span<const std::byte> octets);

  // True between frames with nothing held.
  bool at_boundary() const { return stage_ == Stage::prelude && prelude_size_ == 0; }
  // True while the beginning of a response has left and its rest has not: an end here cuts it.
  bool cut() const {
    return stage_ == Stage::opaque || ((stage_ == Stage::body || stage_ == Stage::tail) && !exact_);
  }
  const Failure& failure() const;

 private:
  // prelude ─▶ opaque ──────────────────────────────────────────────▶ prelude
  //        ├─▶ head (kept by us) ─rewritten─▶ opaque (the rest) ─────────▶
  //        └─▶ body (held, or passing) ─▶ tail (kept by us) ─rewritten───▶
  //        └─▶ discarded (an unreadable ApiVersions answer of error 35) ──▶
  enum class Stage : std::uint8_t { prelude, opaque, head, body, tail, discarded };

  void advance(Chunk& chunk);
  void read_prelude(Chunk& chunk);
  bool judge_size(std::int32_t size);
  void begin_frame(Chunk& chunk);
  void begin_structure(Chunk& chunk, const Api& api);
  void end_frame();
  void pass_opaque(Chunk& chunk);
  bool replace_unreadable_answer(Chunk& chunk);
  void discard(Chunk& chunk);
  void walk_head(Chunk& chunk);
  void finish_head();
  void walk_body(Chunk& chunk);
  void begin_tail(Chunk& chunk);
  void finish_body(Chunk& chunk);
  void walk_tail(Chunk& chunk);
  void finish_tail();
  bool collect(Chunk& chunk);
  void hold(Chunk& chunk);
  void release(Chunk& chunk);
  bool treat(bool same_size);
  void refuse_cluster();
  bool own_is_next() const {
    return !conversation_.empty() && conversation_.front().own != nullptr && at_boundary();
  }
  void insert_own();
  void answer_own_in(Chunk& chunk);

  Conversation& conversation_;
  ClusterView& cluster_;
  Output& output_;
  std::unique_ptr<Failure> failure_;
  std::unique_ptr<Findings> findings_;  // while octets are kept
  WalkerPtr walker_;                    // while a structure is walked
  std::uint64_t prelude_ = 0;           // length and correlation id, as far as they came
  std::uint32_t frame_size_ = 0;        // with its length; once rewritten, as it leaves
  std::uint32_t left_ = 0;              // of an opaque or discarded run that ends the frame
  std::uint32_t held_ = 0;              // octets held on the output
  Stage stage_ = Stage::prelude;
  std::uint8_t prelude_size_ = 0;
  bool token_ = false;     // the frame is a SASL token
  bool exact_ = false;     // the body is held, so that its length can still change
  bool answered_ = false;  // a whole prelude was seen
};

}  // namespace kferry::kafka
