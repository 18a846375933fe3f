// One c-ares channel, which belongs to one thread: what it needs polled, its questions, and their answers as plain
// values. c-ares 1.18 has no event thread: it reports which sockets it wants watched (ARES_OPT_SOCK_STATE_CB), and the
// owner polls them.
#pragma once

#include <ares.h>
#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/socket_address.h"
#include "net/cares_resolver.h"

namespace kferry::net {

struct DnsAnswer {
  int status = ARES_SUCCESS;  // of c-ares
  std::vector<SocketAddress> addresses;
  Duration ttl = Duration::max();

  // The channel was closed, or cancel() called, before there was an answer.
  bool aborted() const { return status == ARES_EDESTRUCTION || status == ARES_ECANCELLED; }
};

struct DnsFailure {
  bool authoritative = false;  // the name has no addresses, as opposed to an answer that could not be had
  std::string text;
};
// Describes a c-ares status other than ARES_SUCCESS.
DnsFailure dns_failure(int status, const std::string& name);

class CaresChannel {
 public:
  using OnAnswer = std::function<void(const std::string& name, DnsAnswer answer)>;

  // Both outlive the channel. `on_answer` is called exactly once per ask(), possibly before ask() returns.
  CaresChannel(const CaresOptions& options, OnAnswer on_answer);
  CaresChannel(const CaresChannel&) = delete;
  CaresChannel& operator=(const CaresChannel&) = delete;
  ~CaresChannel();

  // Reads resolv.conf. The error is empty on success.
  std::string open();
  // Opens a new channel if resolv.conf has changed since, and aborts the questions of the old one. If that fails the
  // old channel stays, and the next call tries again. True if there is a new channel.
  bool reopen_if_changed();
  // Aborts every question.
  void cancel();
  void close();

  // c-ares cannot cancel a single question.
  void ask(const std::string& name);

  // Appends the sockets to poll.
  void append_sockets(std::vector<pollfd>& polled) const;
  // Handles what poll(2) reported for those sockets, and c-ares' own time-outs.
  void process(std::span<const pollfd> polled);
  // How long poll(2) may wait before process() is due; negative: without limit.
  int timeout_ms() const;

 private:
  // Identifies the resolv.conf that was read; all zero without one.
  struct FileVersion {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const FileVersion&, const FileVersion&) = default;
  };
  // What c-ares carries for one question, until it calls back.
  struct Ticket {
    CaresChannel* channel;
    std::string name;
  };

  static FileVersion version_of(const std::string& path);
  std::string open_channel(ares_channel& channel);

  const CaresOptions& options_;
  const OnAnswer on_answer_;
  ares_channel channel_ = nullptr;
  FileVersion resolv_conf_;
  std::unordered_map<int, short> sockets_;  // with the events to poll for
};

}  // namespace kferry::net
