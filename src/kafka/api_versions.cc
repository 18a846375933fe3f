#include "kafka/api_versions.h"

#include "kafka/api_table.h"

namespace kferry::kafka {
namespace {

// False: the client must not see the range.
bool clamp(Bytes& bytes, const FoundRange& range) {
  const Api* api = find_api(range.key);
  if (api == nullptr || !api->clamped) return true;
  if (range.min > api->versions.to || range.max < api->versions.from) return false;
  if (range.max > api->versions.to) store<ApiVersion>(&bytes[range.max_at], api->versions.to);
  return true;
}

}  // namespace

Bytes with_known_ranges(Findings& found, bool compact, std::span<const std::int16_t> pass_api_keys,
                        ClusterView& cluster) {
  const auto bytes = [&](std::uint32_t begin, std::size_t end) {
    return std::span<const std::byte>(found.bytes).subspan(begin, end - begin);
  };
  Bytes ranges;
  ranges.reserve(found.bytes.size());
  std::uint32_t kept = 0;
  for (const FoundRange& range : found.ranges) {
    if (hidden(range.key, pass_api_keys)) {
      cluster.hidden_api(range.key);
      continue;
    }
    if (!clamp(found.bytes, range)) continue;
    append(ranges, bytes(range.begin, range.end));
    ++kept;
  }
  Bytes out;
  out.reserve(found.bytes.size());
  append(out, bytes(0, found.list.begin));
  append_count(out, kept, compact);
  append(out, ranges);
  append(out, bytes(found.list.end, found.bytes.size()));
  return out;
}

}  // namespace kferry::kafka
