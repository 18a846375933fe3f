#include "proxy/acceptor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// Accepting is tried again after this when descriptors ran out.
constexpr Duration accept_again_after = milliseconds(100);
constexpr int backlog = 1024;
// The kernel takes down a killed process's ring, and with it the listeners it accepts on, only after the process is
// gone: a process started at once in its place may find them still bound.
constexpr milliseconds predecessor_patience(3'000);
constexpr milliseconds predecessor_look(20);

std::string listen_failure(const SocketAddress& address, int error) {
  std::string remedy;
  if (error == EADDRINUSE) remedy = ": another process listens there (ss -ltnp shows which)";
  if (error == EADDRNOTAVAIL) remedy = ": no interface of this host has this address";
  if (error == EMFILE)
    remedy = ": raise the limit of open files (LimitNOFILE in the service) or list fewer ports";
  if (error == EACCES) remedy = ": ports below 1024 need CAP_NET_BIND_SERVICE";
  return "cannot listen on " + address.text() + ": " + std::strerror(error) + remedy;
}

}  // namespace

Acceptor::~Acceptor() {
  KFERRY_ASSERT(stopped());
  close_listeners();
}

ring::Token Acceptor::token(Operation operation, std::uint32_t slot) const {
  return {slot, 0, static_cast<std::uint16_t>(kind_ + static_cast<std::uint16_t>(operation))};
}

void Acceptor::close_listeners() {
  for (const ring::Socket socket : std::exchange(listening_, {})) ring_.close(socket, false);
}

std::optional<std::string> Acceptor::listen() {
  milliseconds patience = predecessor_patience;
  for (const PortEntry& port : runtime_.live->plan->ports()) {
    auto opened = ring_.listen(port.address, backlog);
    for (; opened.error == EADDRINUSE && patience.count() > 0; patience -= predecessor_look) {
      std::this_thread::sleep_for(predecessor_look);
      opened = ring_.listen(port.address, backlog);
    }
    if (opened.error != 0) {
      close_listeners();
      return listen_failure(port.address, opened.error);
    }
    host_.set_options(opened.socket);  // inherited by all sockets accepted later
    listening_.push_back(opened.socket);
  }
  for (std::uint32_t port = 0; port < listening_.size(); ++port) {
    ++accepts_;
    ring_.accept(token(Operation::accept, port), listening_[port]);
  }
  return std::nullopt;
}

void Acceptor::stop() {
  stopping_ = true;
  for (std::uint32_t port = 0; port < listening_.size(); ++port) {
    ring_.cancel(token(Operation::accept, port));
    ring_.cancel(token(Operation::accept_again, port));
  }
  if (accepts_ == 0) close_listeners();
}

void Acceptor::on_completion(Operation operation, std::uint32_t slot, const ring::Completion& completion) {
  switch (operation) {
    case Operation::accept:
      return on_accepted(slot, completion);
    case Operation::accept_again:
      if (stopping_) return accept_ended();
      ring_.accept(token(Operation::accept, slot), listening_[slot]);
      return;
    case Operation::receipt:
      return on_receipt(slot, completion.result);
    case Operation::handed_over:
      return host_.serve(slot, ring::Socket{completion.result});
    case Operation::end_:
      break;
  }
  KFERRY_ASSERT(false);
}

void Acceptor::accept_ended() {
  KFERRY_ASSERT(accepts_ > 0);
  if (--accepts_ == 0) close_listeners();
}

void Acceptor::on_accepted(std::uint32_t port, const ring::Completion& completion) {
  KFERRY_ASSERT(port < listening_.size());
  if (completion.result >= 0) place(port, ring::Socket{completion.result});
  if (completion.more) return;
  if (stopping_) return accept_ended();
  if (completion.result < 0 && completion.result != -ECONNABORTED && completion.result != -EINTR) {
    const std::string_view remedy = remedy_for_lack(-completion.result);
    runtime_.log.write({Severity::error, "accept_failed", "",
                        std::string("cannot accept a connection: ") + std::strerror(-completion.result) +
                            (remedy.empty() ? "" : ": ") + std::string(remedy)});
    ring_.timer(token(Operation::accept_again, port), ring_.now() + accept_again_after);
    return;
  }
  ring_.accept(token(Operation::accept, port), listening_[port]);
}

// Kafka connections are few and uneven: the worker with the fewest sessions gets the next one.
void Acceptor::place(std::uint32_t port, ring::Socket client) {
  const auto load = [&](std::size_t worker) {
    return runtime_.workers[worker]->sessions.load(std::memory_order_relaxed);
  };
  std::size_t to = index_;
  for (std::size_t worker = 0; worker < runtime_.workers.size(); ++worker)
    if (load(worker) < load(to)) to = worker;
  runtime_.workers[to]->sessions.fetch_add(1, std::memory_order_relaxed);
  if (to == index_) return host_.serve(port, client);
  const std::uint32_t slot = hand_overs_.take();
  hand_overs_.at(slot) = {client, port, to};
  ++handed_over_;
  ring_.message(token(Operation::receipt, slot), *runtime_.workers[to]->mailbox,
                token(Operation::handed_over, port), static_cast<std::int32_t>(client));
}

void Acceptor::on_receipt(std::uint32_t slot, int result) {
  KFERRY_ASSERT(handed_over_ > 0);
  --handed_over_;
  const HandOver record = std::exchange(hand_overs_.at(slot), HandOver{});
  hand_overs_.give_back(slot);
  if (result >= 0) return;
  // It did not arrive, so it is still ours to serve.
  runtime_.workers[record.to]->sessions.fetch_sub(1, std::memory_order_relaxed);
  runtime_.workers[index_]->sessions.fetch_add(1, std::memory_order_relaxed);
  host_.serve(record.port, record.socket);
}

}  // namespace kferry::proxy
