// A simulated client as Kafka's are: bootstraps at any server it is given, learns the brokers, then has its say with some
// of them, each on a connection of its own to where it was told. Where failures are in the plan it
// bootstraps again and continues until it reaches its goal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "connection.h"

namespace kferry::simulation {

struct ClientPlan {
  std::size_t goal = 20;        // orders done with brokers
  std::size_t connections = 3;  // at once, at most
  std::size_t window = 8;
  std::size_t bytes_per_turn = SIZE_MAX;
  Mix mix;
  bool sasl = false;
  std::int16_t metadata_min = 0;  // version of the bootstrap's Metadata
  bool failures = false;          // a connection may break, and is made again
};

class Client final : public Party {
 public:
  // Dials what clients were told; nullptr if nothing listens there.
  using Dial = std::function<std::unique_ptr<Stream>(const HostPort& where)>;
  using Clock = std::function<Instant()>;

  Client(std::string name, Ledger& ledger, const Told& told, Dial dial,
         std::vector<HostPort> bootstrap_servers, Clock now, ClientPlan plan, std::uint64_t seed);

  bool turn() override;
  std::optional<Instant> wake() const;
  bool finished() const { return phase_ == Phase::finished; }
  std::size_t failures() const { return failures_; }
  std::string text() const;

 private:
  enum class Phase : std::uint8_t { bootstrapping, working, ending, finished };
  struct Work {
    std::int32_t node = -1;
    std::unique_ptr<Connection> connection;
    std::size_t counted = 0;  // of its orders done, those in done_
  };

  bool bootstrap();
  bool work();
  bool finish();
  void begin_work();
  void authenticate(Connection& connection, std::optional<std::int32_t> meant_for);
  bool broken(const Connection& connection);

  const std::string name_;
  Ledger& ledger_;
  const Told& told_;
  Dial dial_;
  const std::vector<HostPort> bootstrap_servers_;
  Clock now_;
  const ClientPlan plan_;
  Dice dice_;
  Phase phase_ = Phase::bootstrapping;
  Instant not_before_{};
  std::unique_ptr<Connection> bootstrap_;
  std::vector<Work> works_;
  std::size_t done_ = 0;
  std::size_t failures_ = 0;
};

}  // namespace kferry::simulation
