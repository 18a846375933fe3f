// Lets a Kafka walker judge the bytes of a rope.
#pragma once

#include "kafka/output.h"
#include "net/rope.h"

namespace kferry::proxy {

class RopeOutput final : public kafka::Output {
 public:
  explicit RopeOutput(net::Rope& rope) : rope_(rope) {}

  void pass(std::size_t size) override { rope_.pass(size); }
  void hold(std::size_t size) override { rope_.hold(size); }
  void drop(std::size_t size) override { rope_.drop(size); }
  void insert(std::span<const std::byte> bytes) override { rope_.insert(bytes); }
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes) override {
    rope_.overwrite_held(offset, bytes);
  }
  void cut_held(std::size_t size) override { rope_.cut_held(size); }
  void release() override { rope_.release_held(); }

 private:
  net::Rope& rope_;
};

}  // namespace kferry::proxy
