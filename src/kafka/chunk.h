// One piece of a walker's input: how far the walker has walked, and how much of that it has reported to
// the output. Bytes that pass are reported in one run, even across frames.
#pragma once

#include <cstddef>
#include <span>

#include "base/assert.h"
#include "kafka/output.h"

namespace kferry::kafka {

class Chunk {
 public:
  Chunk(std::span<const std::byte> bytes, Output& output) : bytes_(bytes), output_(output) {}

  std::span<const std::byte> bytes() const { return bytes_; }
  std::size_t left() const { return bytes_.size() - at; }
  bool empty() const { return at == bytes_.size(); }
  const std::byte* data() const { return bytes_.data() + at; }
  std::size_t reported() const { return reported_; }

  // Everything walked so far passes. Reported to the output later.
  void let_pass() { passing_ = at; }
  void report_passed() {
    if (passing_ > reported_) output_.pass(passing_ - reported_);
    reported_ = passing_;
  }
  // What was walked and may not pass yet is held. Returns its size.
  std::size_t hold() {
    report_passed();
    const std::size_t size = at - reported_;
    if (size > 0) output_.hold(size);
    reported_ = passing_ = at;
    return size;
  }
  // What was walked and may not pass is dropped.
  void drop() {
    report_passed();
    if (at > reported_) output_.drop(at - reported_);
    reported_ = passing_ = at;
  }

  std::size_t at = 0;  // walked

 private:
  std::span<const std::byte> bytes_;
  Output& output_;
  std::size_t passing_ = 0;
  std::size_t reported_ = 0;
};

}  // namespace kferry::kafka
