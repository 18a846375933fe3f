// Counts what one session does, into the counters of its worker: requests and answers as their observer, connections,
// bytes, and where the time of requests goes. Decides nothing.
//
// A connection counts from begin() to end(), once each: accepted = active + closed. Until begin() nothing is counted.
// Costs an idle session two pointers. Lives on its worker's thread.
#pragma once

#include <cstdint>

#include "base/close_cause.h"
#include "kafka/conversation.h"
#include "kafka/observer.h"
#include "proxy/counters.h"
#include "proxy/request_times.h"

namespace kferry::proxy {

class ConnectionMeter final : public kafka::Observer {
 public:
  explicit ConnectionMeter(WorkerCounters& worker) : node_(&worker.nowhere().none()) {}
  ~ConnectionMeter() override;
  ConnectionMeter(const ConnectionMeter&) = delete;
  ConnectionMeter& operator=(const ConnectionMeter&) = delete;

  // --- the connection
  bool begun() const { return &node_->listener != &worker().nowhere(); }
  void begin(ListenerCounters& listener);
  // Where the connection leads from now on.
  void lead_to(NodeCounters& node) {
    if (node_ != &node) move_to(node);
  }
  ListenerCounters& listener() const { return node_->listener; }
  void end(CloseCause cause, bool probe);

  // --- the client's TLS
  void shook_hands(const tls::Engine& engine) {
    worker().handshakes.count_complete(HandshakeCounters::client, engine);
  }
  void handshake_failed() { worker().handshakes.count_failed(HandshakeCounters::client); }

  // --- bytes that a socket has taken
  void sent_to_broker(std::uint64_t size) { node_->to_broker.add(size); }
  void sent_to_client(std::uint64_t size) { node_->to_client.add(size); }
  void spliced_to_broker(std::uint64_t size) {
    sent_to_broker(size);
    worker().spliced_to_broker.add(size);
  }
  void spliced_to_client(std::uint64_t size) {
    sent_to_client(size);
    worker().spliced_to_client.add(size);
  }

  // --- the times of requests; documented in proxy/request_times.h
  // Requests are under way. Otherwise the functions below do nothing and need not be called.
  bool timing() const { return times_ != nullptr; }
  // taken_by_broker() or taken_by_client() may have something to note.
  bool awaits_sockets() const { return timing() && times_->awaits_sockets(); }
  // The judge lets the next request wait.
  void judge_waits() { times().wait(worker().clock.turn); }
  // What waited has passed, and was not a request with an answer.
  void waits_no_more();
  void handed_to_broker(bool covers, bool open, bool at_once) {
    times_->handed(worker().clock.moment, covers, open, at_once);
  }
  void taken_by_broker(bool drained, bool open) { times_->taken(worker().clock.turn, drained, open); }
  void answer_begun() { times_->begun(worker().clock.turn); }
  void handed_to_client(bool covers, bool open, bool at_once) {
    times_->leaving(worker().clock.moment, covers, open, at_once, listener());
    give_back_if_idle();
  }
  void taken_by_client(bool drained) {
    times_->delivered(worker().clock.turn, drained, listener());
    give_back_if_idle();
  }

  // --- kafka::Observer
  void queued(const kafka::Unanswered& request) override;
  void unacknowledged(ApiKey key, ApiVersion version) override;
  void rewritten(const kafka::Unanswered& request) override;
  void answered(const kafka::Unanswered& request) override;

 private:
  WorkerCounters& worker() const { return node_->listener.worker; }
  RequestTimes& times() {
    if (times_ == nullptr) times_ = worker().times.take();
    return *times_;
  }
  void give_back_if_idle() {
    if (times_->idle()) give_back();
  }
  void give_back();
  void move_to(NodeCounters& node);

  NodeCounters* node_;
  RequestTimes* times_ = nullptr;  // owned; null while no request is under way
};

}  // namespace kferry::proxy
