// Finds where records begin and end in a byte stream that arrives in any pieces (RFC 8446 §5.1).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tls/record/protection.h"

namespace kferry::tls {

class RecordFraming {
 public:
  void note(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (body_rest_ > 0) {
        const std::size_t part = std::min(body_rest_, bytes.size());
        body_rest_ -= part;
        bytes = bytes.subspan(part);
        continue;
      }
      header_[header_size_++] = bytes[0];
      bytes = bytes.subspan(1);
      if (header_size_ < header_.size()) continue;
      header_size_ = 0;
      body_rest_ = record_body_size(header_);
    }
  }

  // How many bytes complete the current record or its header; 0 between records.
  std::size_t rest() const {
    return body_rest_ > 0 ? body_rest_ : header_size_ > 0 ? header_.size() - header_size_ : 0;
  }
  // The type of the current record, or of the last one.
  RecordType type() const { return static_cast<RecordType>(header_[0]); }

 private:
  std::array<std::byte, record_header_size> header_{};
  std::size_t header_size_ = 0;
  std::size_t body_rest_ = 0;
};

}  // namespace kferry::tls
