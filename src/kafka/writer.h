// Writes Kafka messages field by field, in the classic or the flexible encoding: the few that kferry composes
// itself, and those of tests and benchmarks. Owns its buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "kafka/wire.h"

namespace kferry::kafka {

class Writer {
 public:
  // `flexible` chooses the encoding of str(), bytes(), array() and tags(), and of their nulls.
  explicit Writer(bool flexible = false);

  // Makes room for a message of `size` bytes, so that writing a secret leaves no copies behind in freed
  // memory.
  void reserve(std::size_t size);

  Writer& i8(std::int8_t value) { return integer(value); }
  Writer& i16(std::int16_t value) { return integer(value); }
  Writer& i32(std::int32_t value) { return integer(value); }
  Writer& i64(std::int64_t value) { return integer(value); }
  Writer& uvarint(std::uint32_t value);
  Writer& raw(std::span<const std::byte> bytes);
  Writer& raw(std::string_view text) { return raw(std::as_bytes(std::span(text))); }
  Writer& zeros(std::size_t size);

  // In the encoding of the version.
  Writer& str(std::string_view text) { return flexible_ ? compact_str(text) : classic_str(text); }
  Writer& null_str() { return flexible_ ? uvarint(0) : i16(-1); }
  Writer& bytes(std::span<const std::byte> bytes) { return array(bytes.size()).raw(bytes); }
  Writer& array(std::size_t count) { return flexible_ ? compact_array(count) : classic_array(count); }
  Writer& null_array() { return flexible_ ? uvarint(0) : i32(-1); }
  // The empty tag section that ends every structure of a flexible version.
  Writer& tags() { return flexible_ ? no_tags() : *this; }

  // In a fixed encoding. A client id is classic in every version.
  Writer& classic_str(std::string_view text);
  Writer& compact_str(std::string_view text);
  Writer& classic_array(std::size_t count);
  Writer& compact_array(std::size_t count);
  Writer& no_tags() { return uvarint(0); }
  // A tag section with one tag.
  Writer& one_tag(std::uint32_t tag, std::string_view content);

  // What has been written so far, without a length.
  std::size_t size() const;
  Bytes body() const;
  // Returns the message as a frame, its length in front. The writer is empty afterwards.
  Bytes frame();

 private:
  template <typename Integer>
  Writer& integer(Integer value) {
    store(grow(sizeof(Integer)), value);
    return *this;
  }
  // Appends zeros and returns where they begin. Not inline: g++ 12 warns of an overflow in what it unrolls.
  std::byte* grow(std::size_t size);

  Bytes bytes_;  // begins with room for the frame's length
  bool flexible_;
};

// Begins a request: header version 1, or 2 where `flexible`.
Writer begin_request(ApiKey key, ApiVersion version, CorrelationId id, std::string_view client_id,
                     bool flexible = false);

}  // namespace kferry::kafka
