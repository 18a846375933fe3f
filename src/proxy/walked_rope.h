// A rope whose bytes a Kafka walker judges.
#pragma once

#include "kafka/output.h"
#include "net/rope.h"

namespace kferry::proxy {

class WalkedRope final : public kafka::Output, public net::Rope {
 public:
  using net::Rope::Rope;

  void pass(std::size_t size) override { Rope::pass(size); }
  void hold(std::size_t size) override { Rope::hold(size); }
  void drop(std::size_t size) override { Rope::drop(size); }
  void insert(std::span<const std::byte> bytes) override { Rope::insert(bytes); }
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) override {
    Rope::overwrite_held(offset, bytes);
  }
  void cut_held(std::size_t size) override { Rope::cut_held(size); }
  void release() override { release_held(); }
};

}  // namespace kferry::proxy
