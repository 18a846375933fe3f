// What a kferry hands to its successor beside the sockets, as the content of a memfd: what it knows of its clusters,
// and the keys of session tickets. Lines of words; texts and keys are hexadecimal, so that a host name may hold
// anything:
//
//   kferry-state 1
//   cluster NAME                      the lines that follow are about it
//   server HOST PORT                  a bootstrap server
//   id CLUSTER-ID
//   class loopback | link-local       a bootstrap server's address is of this class
//   answered                          a bootstrap server has answered
//   broker ID HOST PORT listed | unlisted
//   ticket NAME KEY AGE-S             the newest first
//   end
//
// A successor of another version takes what it knows and leaves out other lines. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cluster_memory.h"
#include "tls/ticket_keys.h"

namespace kferry::cli {

struct HandedState {
  std::vector<proxy::ClusterMemory> clusters;
  std::vector<tls::TicketKeys::Handed> tickets;
};

// Holds keys: the caller wipes it.
std::string state_text(const HandedState& state);
// nullopt: it is not such a text, or its end is missing.
std::optional<HandedState> read_state(std::string_view text);

}  // namespace kferry::cli
