#include "proxy/memory_return.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

namespace kferry::proxy {

void MemoryReturn::on_connection() {
  ++since_return_;
  ++since_look_;
  if (stopping_ || std::exchange(armed_, true)) return;
  ring_.timer(token_, ring_.now() + quiet);
}

void MemoryReturn::on_shortage() {
  since_return_ = std::max(since_return_, burst);
  if (stopping_ || std::exchange(armed_, true)) return;
  ring_.timer(token_, ring_.now() + quiet);
}

void MemoryReturn::on_timer() {
  armed_ = false;
  if (stopping_) return;
  if (std::exchange(since_look_, 0) >= few) {
    armed_ = true;
    ring_.timer(token_, ring_.now() + quiet);
    return;
  }
  if (since_return_ < burst) return;
  since_return_ = 0;
  ring_.return_memory();
  malloc_trim(0);
}

void MemoryReturn::stop() {
  stopping_ = true;
  if (armed_) ring_.cancel(token_);
}

}  // namespace kferry::proxy
