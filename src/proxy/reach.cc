#include "proxy/reach.h"

#include <utility>

namespace kferry::proxy {

bool Reach::admit(Instant now) {
  if (!down()) return true;
  if (now - probed_at_ < (probing_ ? probe_lifetime : probe_interval)) return false;
  probing_ = true;
  probed_at_ = now;
  return true;
}

bool Reach::succeeded() {
  failures_ = 0;
  probing_ = false;
  return !std::exchange(reached_, true);
}

void Reach::failed(Instant now) {
  reached_ = false;
  probing_ = false;
  if (down()) return;
  ++failures_;
  if (down()) probed_at_ = now;
}

}  // namespace kferry::proxy
