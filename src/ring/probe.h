// What this host's kernel offers beyond a basic ring, found by trying it, never by version number. For start-up and
// `kferry doctor`.
#pragma once

#include <string>
#include <vector>

namespace kferry::ring {

struct Feature {
  std::string name;
  bool available = false;
  std::string used_for;
  std::string remedy;  // what is used instead, or what to do; empty if available
};

// Leaves out io_uring's own features if no ring can be set up.
std::vector<Feature> probe_host();

// Whether a multishot receive can be told to end after a number of bytes (Linux 6.17). Tried once per process.
bool kernel_counts_receives();

// The reason and the remedy behind io_uring_setup's errno.
std::string io_uring_refusal(int error);

}  // namespace kferry::ring
