#include "config/validate_admission.h"

#include "base/socket_address.h"
#include "config/admission_lists.h"
#include "config/section_reader.h"
#include "config/validate_listener.h"

namespace kferry::config {
namespace {

class AdmissionValidation : private SectionReader {
 public:
  AdmissionValidation(const DraftListener& draft, const DraftCluster& cluster, Report& report)
      : SectionReader(report), draft_(draft), cluster_(cluster) {}

  void run(Listener& listener) {
    read_ranges("allow_from", listener.allow_from);
    read_ranges("deny_from", listener.deny_from);
    read_ranges("proxy_protocol_from", listener.proxy_protocol_from);
    const Setting* endpoints = find(draft_.settings, "allow_endpoints");
    if (endpoints != nullptr) store(*endpoints, parse_endpoints(endpoints->items), listener.allow_endpoints);
    if (listener.proxy_protocol == ProxyProtocol::off) {
      check_without(endpoints);
    } else {
      check_senders(listener);
    }
  }

 private:
  void read_ranges(const char* key, std::vector<AddressRange>& into) {
    if (const Setting* setting = find(draft_.settings, key))
      store(*setting, parse_address_ranges(setting->items), into);
  }

  void check_without(const Setting* endpoints) {
    if (draft_.settings.contains("proxy_protocol") && find(draft_.settings, "proxy_protocol") == nullptr)
      return;
    if (endpoints != nullptr) {
      report_.error(endpoints->where, "allow_endpoints without a PROXY protocol would refuse every client",
                    "set proxy_protocol to required, or remove it: only the header names the endpoint");
    }
    if (const Setting* from = find(draft_.settings, "proxy_protocol_from")) {
      report_.warn(from->where, "proxy_protocol_from has no effect without a PROXY protocol: ignored",
                   "set proxy_protocol to required or optional, or remove it");
    }
  }

  // The sender of a header may claim any address.
  void check_senders(const Listener& listener) {
    if (draft_.settings.contains("proxy_protocol_from")) return;
    const auto bind = SocketAddress::parse(listener.bind_address, 0);
    if (bind && bind->is_loopback()) return;
    report_.error(find(draft_.settings, "proxy_protocol")->where,
                  listener_key_name(cluster_, draft_, "proxy_protocol_from") +
                      " is missing: every client could claim any address",
                  "list the addresses of the load balancers that send the header");
  }

  const DraftListener& draft_;
  const DraftCluster& cluster_;
};

}  // namespace

void read_admission(const DraftListener& draft, const DraftCluster& cluster, Listener& listener,
                    Report& report) {
  AdmissionValidation(draft, cluster, report).run(listener);
}

}  // namespace kferry::config
