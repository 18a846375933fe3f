// Streams over the sockets of a ring::Simulation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ring/simulation.h"
#include "stream.h"

namespace kferry::simulation {

// How many bytes some streams have moved together.
struct Moved {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
};

class SimStream final : public Stream {
 public:
  // `moved` outlives the stream.
  SimStream(ring::SimSocket socket, Moved& moved) : socket_(socket), moved_(moved) {}
  ~SimStream() override { socket_.close(); }
  std::size_t write(std::string_view bytes) override {
    const std::size_t taken = socket_.write(bytes);
    moved_.written += taken;
    return taken;
  }
  std::string read(std::size_t size_max) override {
    if (socket_.readable() == 0) return {};
    std::string bytes = socket_.read(size_max);
    moved_.read += bytes.size();
    return bytes;
  }
  bool ended() override { return socket_.ended(); }
  bool was_reset() override { return socket_.was_reset(); }
  void shutdown() override { socket_.shutdown(); }
  void close() override { socket_.close(); }
  void reset() override { socket_.reset(); }
  void vanish() override { socket_.vanish(); }

 private:
  ring::SimSocket socket_;
  Moved& moved_;
};

class SimAcceptor final : public Acceptor {
 public:
  // `moved`, of all its streams, outlives them.
  SimAcceptor(ring::SimListener listener, Moved& moved) : listener_(listener), moved_(moved) {}
  std::unique_ptr<Stream> accept() override {
    auto socket = listener_.accept();
    return socket ? std::make_unique<SimStream>(*socket, moved_) : nullptr;
  }
  void close() override { listener_.close(); }

 private:
  ring::SimListener listener_;
  Moved& moved_;
};

// Stands where no connection could be made.
class DeadStream final : public Stream {
 public:
  std::size_t write(std::string_view) override { return 0; }
  std::string read(std::size_t) override { return {}; }
  bool ended() override { return true; }
  bool was_reset() override { return false; }
  void shutdown() override {}
  void close() override {}
  void reset() override {}
};

}  // namespace kferry::simulation
