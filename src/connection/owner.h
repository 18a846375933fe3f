// What a leg tells its owner, one call at a time: that bytes came, that bytes have left, and why it cannot go on.
// A completion of the leg's ends with at most one of these calls. The owner may do anything with the leg in it except
// destroy it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kferry::connection {

class Leg;

// Why a leg cannot go on.
struct Break {
  enum class How : std::uint8_t {
    receiving,      // `error`: the socket is dead
    sending,        // `error`: the socket takes no more
    splicing_from,  // as receiving
    splicing_to,    // as sending
    truncated,      // TLS ended without close_notify: what came last may be incomplete
    tls,            // transport().failure() is valid
    keys_lost,      // the other side changed its TLS key, and the kernel cannot follow
  };
  How how = How::receiving;
  int error = 0;  // errno
};

class Owner {
 public:
  // Bytes were put onto input(), the handshake took a step, or the end came (ended()).
  virtual void on_input(Leg& leg) = 0;
  // A send completed: there is room again. So many bytes of output() have left since the last call.
  virtual void on_output(Leg& leg, std::size_t sent) = 0;
  // So many bytes were spliced from this leg; 0: it was refused. For an owner who splices.
  virtual void on_spliced(Leg& leg, std::uint64_t size);
  virtual void on_break(Leg& leg, const Break& what) = 0;
  // The send key is exhausted and cannot be renewed. May be called more than once, before the other calls.
  virtual void on_key_exhausted(Leg& /*leg*/) {}
  // No receive buffer was free: call receive_again() when one is.
  virtual void on_starved(Leg& leg) = 0;
  // abandon() is complete: the leg is `none` again. For an owner who abandons.
  virtual void on_left(Leg& leg);
  // Whether a TLS stream may end here without close_notify, after we have sent ours: at a frame's boundary.
  virtual bool at_boundary(const Leg& /*leg*/) const { return false; }

 protected:
  ~Owner() = default;
};

}  // namespace kferry::connection
