// What a walk through a response found: the bytes that were kept, and where every address is in them. Lives
// from the first kept byte of a frame until its replacement has been written.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "kafka/structure_walker.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// All offsets count from the first kept byte.
struct FoundBroker {
  NodeId id{};
  std::int32_t port = 0;
  std::uint32_t begin = 0;  // of the array's element
  std::uint32_t end = 0;
  std::uint32_t error_at = 0;  // coordinators only
  std::uint32_t id_at = 0;
  std::uint32_t host_at = 0;  // of its length; the port follows the text directly
  std::uint32_t host_text_at = 0;
  std::uint32_t port_at = 0;
};

struct FoundRange {
  ApiKey key{};
  ApiVersion min = 0;
  ApiVersion max = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t max_at = 0;
};

struct FoundList {
  std::uint32_t begin = 0;  // its count
  std::uint32_t end = 0;
  std::uint32_t size = 0;  // elements
};

struct FoundTag {
  std::uint32_t begin = 0;  // its number
  std::uint32_t content = 0;
  std::uint32_t end = 0;
};

class Findings {
 public:
  // `from`: the offset of the first kept byte in the frame.
  explicit Findings(std::uint32_t from) : from_(from) {}

  // Notes what the walker has just reported.
  void note(StructureWalker::Step step, const StructureWalker& walker);
  bool leaves_out(NodeId id) const { return std::ranges::binary_search(left_out, id); }
  std::string_view host(const FoundBroker& broker) const { return text(broker.host_text_at, broker.port_at); }
  std::optional<std::string_view> cluster_id() const {
    if (!has_cluster_id_) return std::nullopt;
    return text(cluster_id_at_, cluster_id_end_);
  }

  // What has been noted of single elements.
  std::size_t entries() const { return brokers.size() + ranges.size() + blanked.size(); }

  Bytes bytes;
  std::vector<FoundBroker> brokers;
  std::vector<FoundRange> ranges;
  std::vector<FoundList> blanked;
  FoundList list;  // of brokers, coordinators, nodes or ranges
  std::optional<FoundTag> tag;
  std::int64_t error_code = 0;
  bool version_refused = false;    // by a version_error: what follows it is of version 0
  std::int64_t endpoint_type = 1;  // brokers
  std::optional<std::uint32_t> controller_at;
  std::vector<NodeId> left_out;  // brokers that the rewriting has left out, by id

 private:
  void note_integer(const StructureWalker& walker);
  void end_element(std::uint32_t at);
  std::string_view text(std::uint32_t begin, std::uint32_t end) const {
    return {reinterpret_cast<const char*>(bytes.data()) + begin, end - begin};
  }

  const std::uint32_t from_;
  std::uint32_t error_at_ = 0;
  std::uint32_t cluster_id_at_ = 0;
  std::uint32_t cluster_id_end_ = 0;
  bool has_cluster_id_ = false;
};

}  // namespace kferry::kafka
