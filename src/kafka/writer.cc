#include "kafka/writer.h"

#include <cstring>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"

namespace kferry::kafka {

Writer::Writer(bool flexible) : bytes_(length_size), flexible_(flexible) {}

std::byte* Writer::grow(std::size_t size) {
  bytes_.resize(bytes_.size() + size);
  return bytes_.data() + bytes_.size() - size;
}

void Writer::reserve(std::size_t size) {
  bytes_.reserve(length_size + size);
}

Writer& Writer::uvarint(std::uint32_t value) {
  append_uvarint(bytes_, value);
  return *this;
}

Writer& Writer::raw(std::span<const std::byte> bytes) {
  if (!bytes.empty()) std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
  return *this;
}

Writer& Writer::zeros(std::size_t size) {
  grow(size);
  return *this;
}

Writer& Writer::classic_str(std::string_view text) {
  KFERRY_ASSERT(text.size() <= static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max()));
  return i16(static_cast<std::int16_t>(text.size())).raw(text);
}

Writer& Writer::compact_str(std::string_view text) {
  KFERRY_ASSERT(text.size() < response_size_max);
  return uvarint(static_cast<std::uint32_t>(text.size() + 1)).raw(text);
}

Writer& Writer::classic_array(std::size_t count) {
  KFERRY_ASSERT(count <= response_size_max);
  return i32(static_cast<std::int32_t>(count));
}

Writer& Writer::compact_array(std::size_t count) {
  KFERRY_ASSERT(count < response_size_max);
  return uvarint(static_cast<std::uint32_t>(count + 1));
}

Writer& Writer::one_tag(std::uint32_t tag, std::string_view content) {
  return uvarint(1).uvarint(tag).uvarint(static_cast<std::uint32_t>(content.size())).raw(content);
}

std::size_t Writer::size() const {
  return bytes_.size() - length_size;
}

Bytes Writer::body() const {
  const auto written = std::span(bytes_).subspan(length_size);
  return {written.begin(), written.end()};
}

Bytes Writer::frame() {
  store(bytes_.data(), static_cast<std::int32_t>(size()));
  return std::exchange(bytes_, Bytes(length_size));
}

Writer begin_request(ApiKey key, ApiVersion version, CorrelationId id, std::string_view client_id,
                     bool flexible) {
  Writer out(flexible);
  out.i16(number(key)).i16(version).i32(number(id)).classic_str(client_id).tags();
  return out;
}

}  // namespace kferry::kafka
