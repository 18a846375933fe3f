#include "proxy/place.h"

#include "base/lower_case.h"
#include "proxy/listener_changes.h"

namespace kferry::proxy {

bool Place::take(std::string_view name) {
  const auto target = view_->plan().find(*port_, name);
  if (!target) return false;
  port_ = target->port;
  choice_ = target->node ? Choice::broker : Choice::bootstrap;
  named_ = target->node.value_or(NodeId{});
  return true;
}

bool Place::choose_authority(const net::ProxyHeader& header) {
  if (header.authority.empty() && header.command == net::ProxyHeader::Command::local) return true;
  return take(lower_case(header.authority));
}

tls::Engine::Chosen Place::choose(std::string_view server_name) {
  if (listener().routing == config::Routing::sni && !take(server_name))
    return std::shared_ptr<const tls::ServerContext>();
  certificates::Usable<tls::ServerContext> usable = view_->server_context(port_->cluster, port_->listener);
  if (usable.context != nullptr) return std::move(usable.context);
  return Failure{"no_usable_certificate",
                 "listener " + listener().name + " has no certificate that it can serve: " + usable.why_not};
}

bool Place::stays_under(const Plan& next) const {
  const Plan& plan = view_->plan();
  return choice_ != Choice::none ? listener_stays(plan, *port_, next)
                                 : every_listener_stays(plan, *port_, next);
}

std::optional<NodeId> Place::owner() const {
  if (listener().sni) {
    const bool known = choice_ == Choice::broker && snapshot().find(named_) != nullptr;
    return known ? std::optional(named_) : std::nullopt;
  }
  return routes().owner(port_->port_index);
}

std::string Place::text() const {
  const std::optional<config::SniNames>& sni = listener().sni;
  if (sni) return any_broker() ? sni->bootstrap : sni->host_of(named_);
  return "port " + std::to_string(port_->address.port());
}

}  // namespace kferry::proxy
