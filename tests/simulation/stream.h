// A connection as the scripts of clients and brokers see it, so that the same scripts run on simulated
// sockets and on real ones (sockets_test.cc). Nothing blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace kferry::simulation {

class Stream {
 public:
  virtual ~Stream() = default;
  // Bytes taken; 0 when there is no room, or after the other side is gone.
  virtual std::size_t write(std::string_view bytes) = 0;
  // What has arrived, at most `size_max`; empty when there is nothing now.
  virtual std::string read(std::size_t size_max) = 0;
  // After a read that gave nothing: the other side has sent FIN.
  virtual bool ended() = 0;
  virtual bool was_reset() = 0;
  // FIN; reading continues.
  virtual void shutdown() = 0;
  // Not to be used any more after either.
  virtual void close() = 0;
  virtual void reset() = 0;
  // From now on nothing passes in either direction, and the other side is told of no end. Simulated sockets only.
  virtual void vanish() {}
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual std::unique_ptr<Stream> accept() = 0;
  virtual void close() = 0;
};

// One that takes part in a run, turned again and again.
class Party {
 public:
  virtual ~Party() = default;
  // True when something moved.
  virtual bool turn() = 0;
};

}  // namespace kferry::simulation
