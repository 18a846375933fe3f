// What to write so that every broker has a port of its own, for messages. Pure.
#pragma once

#include <span>
#include <string>

#include "base/ids.h"
#include "config/config.h"

namespace kferry::config {

// Broker ids as the `ids` setting takes them: "0-2,100". More than ids_told_max ranges are cut by an ellipsis.
inline constexpr std::size_t ids_told_max = 32;
std::string ids_text(std::span<const NodeId> ids);

// The remedy for brokers that share a port or have none: the ports that fit `brokers`, all the live ones, with `ids`
// where ids are too far apart to count on; and SNI. It says so where no list of ports can stay right.
std::string port_advice(const Listener& listener, std::span<const NodeId> brokers);

}  // namespace kferry::config
