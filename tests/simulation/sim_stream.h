// Streams over the sockets of a ring::Simulation.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ring/simulation.h"
#include "stream.h"

namespace kferry::simulation {

class SimStream final : public Stream {
 public:
  explicit SimStream(ring::SimSocket socket) : socket_(socket) {}
  ~SimStream() override { socket_.close(); }
  std::size_t write(std::string_view bytes) override { return socket_.write(bytes); }
  std::string read(std::size_t size_max) override {
    return socket_.readable() > 0 ? socket_.read(size_max) : std::string();
  }
  bool ended() override { return socket_.ended(); }
  bool was_reset() override { return socket_.was_reset(); }
  void shutdown() override { socket_.shutdown(); }
  void close() override { socket_.close(); }
  void reset() override { socket_.reset(); }
  void vanish() override { socket_.vanish(); }

 private:
  ring::SimSocket socket_;
};

class SimAcceptor final : public Acceptor {
 public:
  explicit SimAcceptor(ring::SimListener listener) : listener_(listener) {}
  std::unique_ptr<Stream> accept() override {
    auto socket = listener_.accept();
    return socket ? std::make_unique<SimStream>(*socket) : nullptr;
  }
  void close() override { listener_.close(); }

 private:
  ring::SimListener listener_;
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
