// A connection in a simulated world. The test plays the far end, and what it writes arrives in the ring's own buffers.
#pragma once

#include <cstddef>
#include <vector>

#include "doctest/doctest.h"
#include "ring/simulated_ring.h"
#include "ring/simulation.h"

namespace kferry::net {

struct SimulatedStream {
  SimulatedStream(const ring::SimulationOptions& options, std::size_t buffer_count, std::size_t buffer_size)
      : world(options), ring(world, buffer_count, buffer_size), listener(open()), client(connect()) {
    ring.accept(ring::Token{.kind = 1}, listener);
    socket = ring::Socket{complete(1).result};
  }
  SimulatedStream(const SimulatedStream&) = delete;
  SimulatedStream& operator=(const SimulatedStream&) = delete;

  // The pieces of the next receive; empty if there are no buffers. The far end must have written something.
  std::vector<ring::Piece> receive(std::size_t size_max) {
    ring.receive(ring::Token{.kind = 2}, socket, size_max, 0);
    const ring::Completion completion = complete(2);
    return {completion.pieces.begin(), completion.pieces.end()};
  }

  std::size_t buffers_out() const { return ring.buffer_count() - ring.buffers_free(); }

  ring::Simulation world;
  ring::SimulatedRing ring;
  ring::Socket listener;
  ring::SimSocket client;
  ring::Socket socket = ring::Socket::none;

 private:
  ring::Socket open() {
    const auto opened = ring.listen(*SocketAddress::parse("127.0.0.1", 9092), 8);
    REQUIRE(opened.error == 0);
    return opened.socket;
  }
  ring::SimSocket connect() {
    const auto connected = world.connect_from_outside(ring.local_address(listener));
    REQUIRE(connected.has_value());
    return *connected;
  }
  ring::Completion complete(std::uint16_t kind) {
    while (true) {
      for (const ring::Completion& completion : ring.wait()) {
        if (completion.token.kind == kind) return completion;
      }
      REQUIRE(world.step());
    }
  }
};

}  // namespace kferry::net
