#include "kafka/walker_pool.h"

#include <utility>
#include <vector>

namespace kferry::kafka {
namespace {

// Except in peaks, no more connections than this are inside a described message at one time.
constexpr std::size_t spare_walkers_max = 64;
thread_local std::vector<std::unique_ptr<StructureWalker>> spare_walkers;

}  // namespace

void ReturnWalker::operator()(StructureWalker* walker) const {
  std::unique_ptr<StructureWalker> returned(walker);
  if (spare_walkers.size() < spare_walkers_max) spare_walkers.push_back(std::move(returned));
}

WalkerPtr borrow_walker() {
  if (spare_walkers.empty()) return WalkerPtr(new StructureWalker);
  WalkerPtr walker(spare_walkers.back().release());
  spare_walkers.pop_back();
  return walker;
}

}  // namespace kferry::kafka
