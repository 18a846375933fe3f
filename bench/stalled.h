// Connections that ask for much and read nothing: what they are sent piles up wherever there is room for it.
#pragma once

#include <cstddef>
#include <vector>

#include "drive.h"
#include "sockets.h"

namespace kferry::bench {

class StalledReaders {
 public:
  // So many connections to options.server, each with requests for 128 frames like the load's own.
  StalledReaders(const DriveOptions& options, std::size_t count);

 private:
  std::vector<Descriptor> connections_;
};

}  // namespace kferry::bench
