// Cuts the broker's bytes into responses, matches each to its request, and rewrites the broker addresses in
// those that carry them. Bytes to bytes: never does I/O, and owns no received bytes beyond the kept part of a
// frame (at most Policy::held_size_max).
//
// Opaque responses pass as they came. Of Metadata, FindCoordinator, DescribeCluster, DescribeQuorum and
// ApiVersions the walker keeps everything up to the last address, and sends its own version instead. Produce,
// Fetch, ShareFetch and ShareAcknowledge have their addresses at the end: up to
// Policy::exact_rewrite_size_max (Produce: held_size_max) they are held on the output, so that their length
// can still change; larger ones stream, and record bytes are never held. While some broker cannot be mapped, the
// leaders in Metadata and DescribeTopicPartitions are walked, too: its partitions get no leader.
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

  // Walks `chunk`, which continues what has been consumed. The end of each response pops the queue, and
  // kferry's own answers are inserted when their turn comes.
  Walked feed(std::span<const std::byte> chunk);

  // Inserts kferry's own answers whose turn has come. To be called after a request with own_answer was
  // queued; feed() calls it, too.
  void answer_own() {
    if (own_is_next()) insert_own();
  }

  // The next answer is one of kferry's own.
  bool own_is_next() const {
    return !conversation_.empty() && conversation_.front().own != nullptr && at_boundary();
  }

  // As in RequestWalker.
  std::uint64_t opaque_run() const {
    if (stage_ == Stage::opaque) return left_;
    return stage_ == Stage::body && !exact_ ? walker_->opaque_run() : 0;
  }
  void skip(std::uint64_t size);
  std::uint64_t passed() const;

  // True inside the records of a large body, where only the tail can still change.
  bool can_walk_ahead() const { return stage_ == Stage::body && !exact_ && walker_->opaque_run() > 0; }
  // Walks the opaque run and then `bytes`, which follow it, before either has been fed. Everything up to the
  // tail passes as it came and must not be fed any more; returns how many of `bytes` that includes. nullopt:
  // nothing was walked, because `bytes` are malformed, which feed() will report.
  std::optional<std::size_t> walk_ahead(std::span<const std::byte> bytes);

  // True once a response has begun that answers the request it should: a Kafka broker is there.
  bool answered() const { return answered_; }
  // True between frames with nothing held.
  bool at_boundary() const { return stage_ == Stage::prelude && prelude_size_ == 0; }
  // True while a response has left in part: if the connection ends here, the response is cut.
  bool cut() const {
    return stage_ == Stage::opaque || stage_ == Stage::leaders ||
           ((stage_ == Stage::body || stage_ == Stage::tail) && !exact_);
  }
  const Failure& failure() const;

 private:
  // prelude ─▶ opaque ──────────────────────────────────────────────▶ prelude
  //        ├─▶ head (kept)       ─rewritten─▶ opaque (the rest) ─────────▶
  //        │                              └─▶ leaders (changed in place) ─▶ opaque ─▶
  //        ├─▶ leaders ──▶ opaque (the rest) ────────────────────────────▶
  //        └─▶ body (held, or passing) ─▶ tail (kept)       ─rewritten───▶
  //        └─▶ discarded (the rest of an answer to kferry's own request, and
  //                       an unreadable ApiVersions response with error 35) ──▶
  enum class Stage : std::uint8_t { prelude, opaque, head, leaders, body, tail, discarded };

  void advance(Chunk& chunk);
  void read_prelude(Chunk& chunk);
  bool judge_size(std::int32_t size);
  void begin_frame(Chunk& chunk);
  void begin_opaque(Chunk& chunk);
  void begin_structure(Chunk& chunk, const Api& api);
  void end_frame();
  void pass_opaque(Chunk& chunk);
  bool replace_unreadable_answer(Chunk& chunk);
  void discard(Chunk& chunk);
  void walk_head(Chunk& chunk);
  void finish_head();
  void begin_leaders(const Field& message);
  void walk_leaders(Chunk& chunk);
  bool has_no_leader(NodeId id);
  void walk_body(Chunk& chunk);
  void begin_tail(Chunk& chunk);
  void finish_body(Chunk& chunk);
  void pass_trailing(Chunk& chunk);
  void walk_tail(Chunk& chunk);
  void finish_tail();
  bool collect(Chunk& chunk);
  void hold(Chunk& chunk);
  void release(Chunk& chunk);
  bool treat(bool same_size);
  void note_deviations();
  void refuse_cluster();
  void insert_own();
  void answer_own_in(Chunk& chunk);

  Conversation& conversation_;
  ClusterView& cluster_;
  Output& output_;
  std::unique_ptr<Failure> failure_;
  std::unique_ptr<Findings> findings_;  // while bytes are kept
  WalkerPtr walker_;                    // while a structure is walked
  std::uint64_t prelude_ = 0;           // the part of length and correlation id that has arrived
  std::uint32_t frame_size_ = 0;        // including its length; once rewritten, the new size
  std::uint32_t left_ = 0;              // of the opaque or discarded run at the end of the frame
  std::uint32_t held_ = 0;              // bytes held on the output
  Stage stage_ = Stage::prelude;
  std::uint8_t prelude_size_ = 0;
  bool token_ = false;     // the frame is a SASL token
  bool exact_ = false;     // the body is held, so that its length can still change
  bool answered_ = false;  // a response has answered its request
  bool stray_ = false;     // the frame answers a Produce with acks=0
};

}  // namespace kferry::kafka
