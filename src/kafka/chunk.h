// The piece of input a walker was fed, how far it has walked, and how far the output was told what becomes of
// it. Octets that pass are told in one run, however many frames they are.
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
  std::size_t told() const { return told_; }

  // What was walked so far passes; told later.
  void let_pass() { passing_ = at; }
  void tell_passed() {
    if (passing_ > told_) output_.pass(passing_ - told_);
    told_ = passing_;
  }
  // What was walked and may not pass yet is held, or vanishes; returns how much that is.
  std::size_t hold() {
    tell_passed();
    const std::size_t size = at - told_;
    if (size > 0) output_.hold(size);
    told_ = passing_ = at;
    return size;
  }
  void drop() {
    tell_passed();
    if (at > told_) output_.drop(at - told_);
    told_ = passing_ = at;
  }

  std::size_t at = 0;  // walked

 private:
  std::span<const std::byte> bytes_;
  Output& output_;
  std::size_t passing_ = 0;
  std::size_t told_ = 0;
};

}  // namespace kferry::kafka
