// What a ring must do, whatever its backend: the tests of conformance_test.cc are run against each Stage.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

// A ring under test with the means to let time pass.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual Ring& ring() = 0;
  // Called when a wait() brought nothing; the simulation takes a step here.
  virtual void idle() {}
};

// Collects completions by token kind.
class Watch {
 public:
  explicit Watch(Stage& stage) : stage_(stage) {}

  struct Seen {
    std::int32_t result = 0;
    bool more = false;
    std::string octets;
    std::size_t pieces = 0;
  };

  static Token token(std::uint16_t kind) { return Token{kind, 1, kind}; }
  // The next completion of this kind; runs the ring until it is there. Buffers are recycled at once unless
  // held.
  Seen next(std::uint16_t kind) {
    while (seen_[kind].empty()) turn();
    Seen first = seen_[kind].front();
    seen_[kind].erase(seen_[kind].begin());
    return first;
  }
  bool has(std::uint16_t kind) { return !seen_[kind].empty(); }
  void turn() {
    const auto completions = stage_.ring().wait();
    for (const Completion& completion : completions) {
      Seen seen{completion.result, completion.more, {}, completion.pieces.size()};
      for (const Piece& piece : completion.pieces) {
        seen.octets.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
        if (hold) {
          held.push_back(piece.id);
        } else {
          stage_.ring().recycle(piece.id);
        }
      }
      order.push_back(completion.token.kind);
      seen_[completion.token.kind].push_back(seen);
    }
    if (completions.empty()) stage_.idle();
  }

  bool hold = false;
  std::vector<std::uint16_t> held;
  std::vector<std::uint16_t> order;

 private:
  Stage& stage_;
  std::map<std::uint16_t, std::vector<Seen>> seen_;
};

std::vector<std::pair<std::string, std::unique_ptr<Stage>>> every_stage();

}  // namespace kferry::ring
