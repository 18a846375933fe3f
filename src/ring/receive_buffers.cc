#include "ring/receive_buffers.h"

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>

#include "base/assert.h"
#include "ring/kernel_abi.h"
#include "ring/return_pages.h"

namespace kferry::ring {
namespace {

void* map(std::size_t bytes) {
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

ReceiveBuffers::~ReceiveBuffers() {
  if (memory_ != nullptr) ::munmap(memory_, count_ * size_);
  if (entries_ != nullptr) ::munmap(entries_, entries_size_);
}

int ReceiveBuffers::open(io_uring& ring, std::size_t count, std::size_t size) {
  KFERRY_ASSERT(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
  count_ = count;
  size_ = size;
  entries_size_ = count * sizeof(io_uring_buf);
  memory_ = static_cast<std::byte*>(map(count * size));
  entries_ = static_cast<io_uring_buf_ring*>(map(entries_size_));
  if (memory_ == nullptr || entries_ == nullptr) return -ENOMEM;

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_);
  registration.ring_entries = static_cast<unsigned>(count);
  registration.bgid = abi::buffer_group;
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error != 0) return error;

  position_.resize(count);
  out_.resize(count);
  used_.resize(count);
  reserve_.reserve(count);
  for (std::size_t id = count; id-- > 0;) reserve_.push_back(static_cast<std::uint16_t>(id));
  top_up();
  return 0;
}

void ReceiveBuffers::return_memory() {
  for (const std::uint16_t id : reserve_)
    if (used_[id]) used_[id] = !return_pages(memory_ + id * size_, size_);
}

void ReceiveBuffers::post(std::uint16_t id) {
  io_uring_buf& entry = entries_->bufs[tail_ & (count_ - 1)];
  entry.addr = reinterpret_cast<std::uintptr_t>(memory_ + id * size_);
  entry.len = static_cast<unsigned>(size_);
  entry.bid = id;
  position_[id] = tail_++;
  ++posted_;
}

void ReceiveBuffers::publish() {
  __atomic_store_n(&entries_->tail, tail_, __ATOMIC_RELEASE);
}

bool ReceiveBuffers::top_up() {
  const bool any = !reserve_.empty();
  for (std::size_t n = posted_target; n > 0 && !reserve_.empty(); --n) {
    post(reserve_.back());
    reserve_.pop_back();
  }
  publish();
  return any;
}

void ReceiveBuffers::collect(std::uint16_t first, std::size_t bytes, std::vector<Piece>& pieces) {
  std::uint16_t position = position_[first];
  do {
    const io_uring_buf& entry = entries_->bufs[position & (count_ - 1)];
    const std::uint16_t id = entry.bid;
    KFERRY_ASSERT(id < count_ && position_[id] == position && !out_[id] && posted_ > 0);
    const std::size_t taken = std::min<std::size_t>(bytes, entry.len);
    out_[id] = true;
    used_[id] = true;
    --posted_;
    pieces.push_back(Piece{id, {memory_ + id * size_, taken}});
    bytes -= taken;
    ++position;
  } while (bytes > 0);
  if (posted_ < posted_target / 2 && !reserve_.empty()) top_up();
}

void ReceiveBuffers::recycle(std::uint16_t id) {
  KFERRY_ASSERT(id < count_ && out_[id]);
  out_[id] = false;
  if (posted_ >= posted_target) {
    reserve_.push_back(id);
    return;
  }
  post(id);
  publish();
}

}  // namespace kferry::ring
