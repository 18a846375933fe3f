// A simulated cluster's brokers: they check every byte of every request against the ledger, see that it was
// meant for them, and answer in order after a while.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "bytes.h"
#include "ledger.h"
#include "stream.h"

namespace kferry::simulation {

// What all brokers of a cluster would say of it now.
struct Cluster {
  std::string id;
  std::vector<Node> nodes;  // live, as advertised
  std::vector<Range> ranges;
  // What discovery must prove; empty: nothing.
  std::string username{};
  std::string password{};
};

// How a broker connection ends, other than by its client.
enum class Ending : std::uint8_t {
  none,
  close,            // between responses, everything read
  close_mid_frame,  // inside the next response
  reset,
  reset_mid_frame,
  wrong_correlation,  // the next response carries another id, and so does none after it
  unasked,            // a response that no client waits for; once everything is answered
  garbage,            // a Metadata response that makes no sense; others are answered well
  silence,            // takes requests and answers none
};
struct Fate {
  Ending ending = Ending::none;
  std::size_t after_answers = 0;
  std::size_t after_requests = 0;  // nothing is answered before so many have come
};

class Broker final : public Party {
 public:
  using Clock = std::function<Instant()>;

  Broker(std::int32_t id, Cluster& cluster, Ledger& ledger, Clock now, std::uint64_t seed);
  ~Broker() override;

  std::int32_t id() const { return id_; }
  // Serves what comes in here, until killed.
  void serve(std::unique_ptr<Acceptor> acceptor);
  // Resets every connection and refuses new ones.
  void kill();
  // Every connection of now is silent from now on, and ends without FIN or reset.
  void vanish();
  bool alive() const { return acceptor_ != nullptr; }

  bool turn() override;
  // When the next answer is due.
  std::optional<Instant> wake() const;

  // How connections end; asked once for each, when its first request is known.
  std::function<Fate()> fate = [] { return Fate{}; };
  // Changes what is answered to an order; unset: the truth.
  std::function<void(Reply&)> lie;
  bool reading = true;
  // Further connections are closed as soon as they are accepted, as by max.connections.per.ip.
  std::size_t connections_max = SIZE_MAX;
  Duration answer_delay_min{};
  Duration answer_delay_max = std::chrono::milliseconds(2);
  // ApiVersions of at most this version are understood; others get error 35 in a v0 body.
  std::int16_t api_versions_max = 5;

  std::size_t connections_made() const { return connections_made_; }
  std::size_t connections_refused() const { return connections_refused_; }
  std::size_t connections_open() const { return connections_.size(); }
  std::size_t discoveries() const { return discoveries_; }
  // How often a session asked for Metadata itself.
  std::size_t questions() const { return questions_; }
  // Bytes kferry's side has taken, for the bound on what kferry holds.
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  struct Conversation;

  bool turn(Conversation& conversation);
  bool take_requests(Conversation& conversation);
  bool match(Conversation& conversation);
  void on_request(Conversation& conversation, const Order& order);
  bool on_discovery(Conversation& conversation);
  void on_question(Conversation& conversation, std::int16_t version);
  void write_brokers(Writer& out) const;
  bool send_answers(Conversation& conversation);
  bool apply_fate(Conversation& conversation);
  Reply reply_to(const Order& order);

  const std::int32_t id_;
  Cluster& cluster_;
  Ledger& ledger_;
  Clock now_;
  Dice dice_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<std::unique_ptr<Conversation>> connections_;
  std::size_t connections_made_ = 0;
  std::size_t connections_refused_ = 0;
  std::size_t discoveries_ = 0;
  std::size_t questions_ = 0;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace kferry::simulation
