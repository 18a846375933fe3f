// Descriptors that another process has opened and hands over at the start: systemd's socket activation
// (sd_listen_fds(3)), or a running kferry that this one succeeds.
//
//   LISTEN_PID      the process that they are for
//   LISTEN_FDS      how many there are, from descriptor 3 on
//   LISTEN_FDNAMES  a name for each, separated by colons
//
// A listening socket is found by its address, whatever its name, so that a unit may name sockets as it likes. What a
// kferry hands over beside them has a name of its own: handed_state and the like.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket_address.h"

namespace kferry {

inline constexpr int handed_first = 3;
// A memfd with what the predecessor knows (cli/handed_state.h).
inline constexpr std::string_view handed_state = "kferry-state";
// The writing end of a pipe, by which the successor reports that it is ready.
inline constexpr std::string_view handed_report = "kferry-report";

// The file whose lock says that a process serves the control socket.
inline constexpr std::string_view handed_control_lock = "kferry-control-lock";

class HandedSockets {
 public:
  // Takes over what the environment announces for this process, and nothing where it announces nothing. The descriptors
  // are closed on exec from then on. To be called once, before threads exist.
  static HandedSockets& from_environment();

  HandedSockets() = default;
  ~HandedSockets();
  HandedSockets(const HandedSockets&) = delete;
  HandedSockets& operator=(const HandedSockets&) = delete;

  // Gives the listening TCP socket at this address to the caller, non-blocking; -1 if there is no such socket.
  // `both_families`: of one on ::, whether it must serve IPv4, too.
  int take(const SocketAddress& address, bool both_families);
  // The listening Unix socket at this path; -1 if there is no such socket.
  int take_unix(std::string_view path);
  // The first descriptor of this name; -1 if no descriptor has it.
  int take_named(std::string_view name);
  // Closes what was not taken. Returns what each of them was, for messages.
  std::vector<std::string> close_rest();

 private:
  struct One {
    int fd = -1;
    std::string name;
  };
  template <typename Fits>
  int take_first(const Fits& fits);

  std::mutex mutex_;
  std::vector<One> left_;
};

}  // namespace kferry
