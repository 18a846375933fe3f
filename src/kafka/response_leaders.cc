// The part of ResponseWalker for brokers that are left out: a partition that such a broker leads has no leader for this
// client (id -1, LEADER_NOT_AVAILABLE), as Kafka says of a leader that it cannot name. Replicas stay as they are.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "kafka/api_table.h"
#include "kafka/error_codes.h"
#include "kafka/findings.h"
#include "kafka/response_walker.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

using Step = StructureWalker::Step;

constexpr std::int32_t no_node = -1;
// A partition begins with its error code, index and leader, in every version of both APIs.
constexpr std::size_t leader_size = sizeof(std::int32_t);
constexpr std::size_t partition_beginning = sizeof(std::int16_t) + sizeof(std::int32_t) + leader_size;

}  // namespace

// `message` begins after what has left; left_ bytes of the frame are to come.
void ResponseWalker::begin_leaders(const Field& message) {
  KFERRY_ASSERT(stage_ == Stage::prelude || stage_ == Stage::head);
  KFERRY_ASSERT(held_ == 0);
  const Unanswered& request = conversation_.front();
  const bool flexible = find_api(request.key)->flexible.has(request.version);
  if (!walker_) walker_ = borrow_walker();
  auto rest = std::make_unique<Findings>(0);
  if (findings_) rest->left_out = std::move(findings_->left_out);
  findings_ = std::move(rest);
  // What has left may have another size than what came: positions count from here.
  walker_->begin(message, request.version, flexible, false, 0, left_);
  stage_ = Stage::leaders;
}

// Metadata says which brokers it left out; DescribeTopicPartitions has no list of brokers.
bool ResponseWalker::has_no_leader(NodeId id) {
  if (!findings_->left_out.empty()) return findings_->leaves_out(id);
  return number(id) >= 0 && !cluster_.advertised(id);
}

// What has been walked leaves but for the beginning of a partition, whose leader is still to come. Bytes that do not
// follow the rows flow as they came: nothing in them is an address.
void ResponseWalker::walk_leaders(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::leaders);
  Bytes& kept = findings_->bytes;
  Step step = Step::integer;
  while (step == Step::integer) {
    const std::size_t begin = chunk.at;
    step = walker_->walk(chunk.bytes(), chunk.at);
    append(kept, chunk.bytes().subspan(begin, chunk.at - begin));
    if (step != Step::integer || !has_no_leader(NodeId{static_cast<std::int32_t>(walker_->value())}))
      continue;
    std::byte* const end = kept.data() + kept.size();
    store(end - leader_size, no_node);
    if (walker_->field().role == Role::leader) {
      KFERRY_ASSERT(kept.size() >= partition_beginning);
      store(end - partition_beginning, error_leader_not_available);
    }
  }
  chunk.drop();
  const bool walking = step == Step::more;
  const std::size_t leaving =
      walking ? kept.size() - std::min(kept.size(), partition_beginning) : kept.size();
  if (leaving > 0) output_.insert(std::span(kept).first(leaving));
  left_ -= static_cast<std::uint32_t>(leaving);
  kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(leaving));
  if (walking) return;
  findings_.reset();
  walker_.reset();
  stage_ = Stage::opaque;
  pass_opaque(chunk);
}

}  // namespace kferry::kafka
