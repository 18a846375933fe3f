#include "cli/succession.h"

#include <unistd.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "cli/successor.h"

namespace kferry::cli {

HandedState take_state(HandedSockets& handed, LogSink& log) {
  const int fd = handed.take_named(handed_state);
  if (fd < 0) return {};
  std::string text;
  std::array<char, 65536> room{};
  ssize_t got = 0;
  while ((got = ::pread(fd, room.data(), room.size(), static_cast<off_t>(text.size()))) > 0)
    text.append(room.data(), static_cast<std::size_t>(got));
  ::close(fd);
  std::optional<HandedState> state = read_state(text);
  wipe(std::as_writable_bytes(std::span(room)));
  wipe(text);
  if (state) return std::move(*state);
  log.write(
      {Severity::warning, "handed_state_unreadable", "",
       "the state of the kferry before this one cannot be read: brokers are learnt anew, and TLS clients "
       "do not resume"});
  return {};
}

void tell_predecessor(int report, HandedSockets& handed, LogSink& log) {
  std::string rest;
  for (const std::string& one : handed.close_rest()) rest += (rest.empty() ? "" : ", ") + one;
  if (!rest.empty())
    log.write({Severity::warning, "handed_sockets_unused", "",
               "no listener of the configuration is at " + rest + ": closed"});
  if (report >= 0) report_ready(report);
}

Lifetime::Upgrading upgrading(const std::unique_ptr<operations::HttpServer>& http,
                              std::unique_ptr<operations::ControlServer>& control, proxy::Server& server,
                              Supervision& supervision) {
  return {
      .sockets =
          [&] {
            std::vector<Successor::Handed> sockets;
            if (http != nullptr)
              for (const int fd : http->sockets()) sockets.push_back({fd, "http"});
            if (operations::ControlSocket* const socket = control == nullptr ? nullptr : control->socket()) {
              sockets.push_back({socket->listening(), "control"});
              sockets.push_back({socket->lock(), std::string(handed_control_lock)});
            }
            return sockets;
          },
      .tickets =
          [&server] {
            const auto contexts = server.status().tls;
            return contexts == nullptr ? std::vector<tls::TicketKeys::Handed>{}
                                       : contexts->ticket_keys().hand_over(monotonic_now());
          },
      .succeeded =
          [&](pid_t process) {
            supervision.hand_over_to(process);
            if (http != nullptr) http->stop_accepting();
            if (control == nullptr) return;
            if (control->socket() != nullptr) control->socket()->leave_in_place();
            control.reset();
          }};
}

}  // namespace kferry::cli
