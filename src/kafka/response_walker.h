// Cuts the broker's bytes into responses, matches each to its request, and rewrites broker addresses in those that
// carry them. Bytes to bytes: never does I/O, owns no received bytes beyond the held part of a frame
// (≤ Policy::held_size_max).
//
// Opaque responses pass as they came. Metadata, FindCoordinator, DescribeCluster, DescribeQuorum, ApiVersions and
// Produce are held as far as their last address; Fetch and ShareFetch stream: record bytes are never held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/failure.h"
#include "kafka/output.h"

namespace kferry::kafka {

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

  // Walks `chunk`, which follows what was already consumed. Responses that leave the queue pop it. Answers of
  // kferry's own are inserted at their turn.
  Walked feed(std::span<const std::byte> chunk);

  // Inserts answers of kferry's own that are next in the queue and whose turn has come. To be called after a request
  // with own_answer was queued; feed() calls it itself.
  void answer_own();

  // As RequestWalker's.
  std::uint64_t opaque_run() const;
  void skip(std::uint64_t size);

  // True between frames with nothing held.
  bool at_boundary() const;
  const Failure& failure() const;
};

}  // namespace kferry::kafka
