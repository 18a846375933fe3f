// Notices that a bootstrap server's name leads elsewhere than before: another cluster may be there while every broker
// of the known one still answers, so that no failed dial would tell. Each name is resolved at the start, and about once
// a second while clients are dialled for; an answer that shares no address with earlier ones is news. Balancers whose
// addresses rotate are not. Addresses in the configuration cannot move.
//
// Lives on the first worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/socket_address.h"
#include "connection/deadline.h"
#include "proxy/plan_view.h"
#include "ring/ring.h"

namespace kferry::proxy {

class Worker;

class BootstrapWatch {
 public:
  // Of one cluster of the view's plan. `timer`: the token of its timer.
  BootstrapWatch(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster, ring::Token timer);

  void start();
  // Continues under another plan, in which the cluster has the same upstream.
  void move_to(std::shared_ptr<PlanView> view, std::uint32_t cluster);
  // The answer to the worker's resolve_for_watch(). Empty: DNS has failed, which is no news.
  void on_resolved(std::size_t server, const std::vector<SocketAddress>& addresses);
  void on_timer();
  void stop();
  bool stopped() const { return stopped_ && !alarm_.armed(); }

 private:
  // DNS is asked at most once a second.
  static constexpr Duration interval = std::chrono::milliseconds(500);
  // A name that DNS did not know at the start is asked for again, first after this and then after twice the pause,
  // until clients come: what it leads to must be known before it leads elsewhere.
  static constexpr Duration first_pause = std::chrono::seconds(1);
  static constexpr Duration longest_pause = std::chrono::seconds(30);
  // Of one name, and of all that it has had.
  static constexpr std::size_t addresses_max = 64;

  Worker& worker_;
  std::shared_ptr<PlanView> view_;
  std::uint32_t cluster_;
  const ring::Token timer_;
  bool stopped_ = true;
  connection::Deadline alarm_;
  Instant ask_again_at_{};
  Duration pause_ = first_pause;
  std::vector<std::vector<SocketAddress>> seen_;  // by bootstrap server; empty: DNS has not answered yet
};

}  // namespace kferry::proxy
