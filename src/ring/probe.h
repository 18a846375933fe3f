// What this host's kernel offers beyond a ring itself, found by trying it; for start-up and `kferry doctor`. Never by
// version number.
#pragma once

#include <string>
#include <vector>

namespace kferry::ring {

struct Feature {
  std::string name;
  bool available = false;
  std::string used_for;
  std::string remedy;  // what is used instead, or what to do; empty when available
};

// io_uring's own features are left out where it cannot be set up.
std::vector<Feature> probe_host();

// Whether a multishot receive ends by itself when it has brought what it was asked for; tried once per process.
bool kernel_counts_receives();

// The reason and the remedy behind io_uring_setup's errno.
std::string io_uring_refusal(int error);

}  // namespace kferry::ring
