#include "kafka/findings.h"

#include "kafka/error_codes.h"

namespace kferry::kafka {

using Step = StructureWalker::Step;

void Findings::note(Step step, const StructureWalker& walker) {
  if (step == Step::integer) return note_integer(walker);
  const std::uint32_t at = walker.position() - from_;
  const std::uint32_t start = walker.start() - from_;
  const Role role = walker.field().role;
  switch (step) {
    case Step::text:
      if (role == Role::host) {
        brokers.back().host_at = start;
        brokers.back().host_text_at = at;
      } else if (role == Role::cluster_id) {
        has_cluster_id_ = !walker.is_null();
        cluster_id_at_ = at;
        cluster_id_end_ = at + walker.size();
      }
      break;
    case Step::array:
      (role == Role::blanked ? blanked.emplace_back() : list) = {start, at, walker.size()};
      break;
    case Step::element:
      if (role == Role::blanked) break;
      end_element(at);
      if (role == Role::api_ranges) {
        ranges.emplace_back().begin = at;
      } else {
        brokers.emplace_back().begin = at;
      }
      break;
    case Step::array_end:
      if (role == Role::blanked) {
        blanked.back().end = at;
      } else {
        end_element(at);
        list.end = at;
      }
      break;
    case Step::tag:
      tag = FoundTag{start, at, at + walker.size()};
      break;
    default:
      break;
  }
}

void Findings::end_element(std::uint32_t at) {
  if (!brokers.empty()) brokers.back().end = at;
  if (!ranges.empty()) ranges.back().end = at;
}

void Findings::note_integer(const StructureWalker& walker) {
  const std::uint32_t at = walker.start() - from_;
  const std::int64_t value = walker.value();
  switch (walker.field().role) {
    case Role::error_code:
      error_code = value;
      if (!brokers.empty()) brokers.back().error_at = at;
      error_at_ = at;
      break;
    case Role::version_error:
      error_code = value;
      version_refused = value == error_unsupported_version;
      break;
    case Role::endpoint_type:
      endpoint_type = value;
      break;
    case Role::node_id:
      // A broker outside an array (FindCoordinator 0-3) begins with its id, after its error.
      if (brokers.empty()) brokers.emplace_back().error_at = error_at_;
      brokers.back().id = NodeId{static_cast<std::int32_t>(value)};
      brokers.back().id_at = at;
      break;
    case Role::port:
      brokers.back().port = static_cast<std::int32_t>(value);
      brokers.back().port_at = at;
      break;
    case Role::controller:
      controller_at = at;
      break;
    case Role::api_key:
      ranges.back().key = ApiKey{static_cast<std::int16_t>(value)};
      break;
    case Role::min_version:
      ranges.back().min = static_cast<ApiVersion>(value);
      break;
    case Role::max_version:
      ranges.back().max = static_cast<ApiVersion>(value);
      ranges.back().max_at = at;
      break;
    default:
      break;
  }
}

}  // namespace kferry::kafka
