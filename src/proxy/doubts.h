// Where a session reports that what is known of its upstream may be out of date.
#pragma once

#include <string>

namespace kferry::proxy {

struct ClusterState;

class Doubts {
 public:
  // A connection to this host failed or was ended there: its name is resolved anew by the next dial.
  virtual void doubt_name(const std::string& host) = 0;
  // What is known of the cluster's brokers may be wrong: the cluster is to be asked anew, soon.
  virtual void want_discovery(ClusterState& cluster) = 0;

 protected:
  ~Doubts() = default;
};

}  // namespace kferry::proxy
