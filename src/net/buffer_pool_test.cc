#include "net/buffer_pool.h"

#include <cstring>

#include "doctest/doctest.h"
#include "net/simulated_stream_test.h"

namespace kferry::net {

TEST_CASE("a buffer returns to its ring when its last user releases it, and not before") {
  SimulatedStream stream({.short_read = 0}, 4, 64);
  BufferPool pool(stream.ring);
  CHECK(pool.buffer_size() == 64);
  stream.client.write("abc");
  const auto pieces = stream.receive(64);
  REQUIRE(pieces.size() == 1);
  const ring::Piece& piece = pieces[0];

  pool.adopt(piece.id);
  pool.retain(piece.id);
  pool.release(piece.id);
  CHECK(stream.ring.buffers_free() == 3);
  CHECK(std::memcmp(piece.bytes.data(), "abc", 3) == 0);
  pool.release(piece.id);
  CHECK(stream.ring.buffers_free() == 4);
}

TEST_CASE("a recycled buffer is counted anew when it is received again") {
  SimulatedStream stream({.short_read = 0}, 1, 64);  // one buffer, so it is the same one every time
  BufferPool pool(stream.ring);
  for (int round = 0; round < 3; ++round) {
    stream.client.write("x");
    const auto pieces = stream.receive(64);
    REQUIRE(pieces.size() == 1);
    pool.adopt(pieces[0].id);
    CHECK(stream.ring.buffers_free() == 0);
    pool.release(pieces[0].id);
    CHECK(stream.ring.buffers_free() == 1);
  }
}

}  // namespace kferry::net
