// A connection of load: a non-blocking socket, with TLS over it or without. Fails, with a message, when
// anything is amiss.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sockets.h"
#include "tls/context.h"
#include "tls/engine.h"

namespace kferry::bench {

// `resume`: every connection but the first resumes a session. Trusts the authority in the PEM file; offers
// AES-128-GCM and P-256 alone, so that every server is measured with the same.
std::shared_ptr<const tls::ClientContext> client_context(const std::string& authority_file, bool resume);
std::shared_ptr<const tls::ServerContext> server_context(const std::string& certificate_and_key_file);

class Channel {
 public:
  explicit Channel(Descriptor socket, std::unique_ptr<tls::Engine> engine = nullptr)
      : socket_(std::move(socket)), engine_(std::move(engine)) {}

  int fd() const { return socket_.get(); }
  bool handshaking() const {
    return engine_ != nullptr && engine_->state() == tls::Engine::State::handshaking;
  }
  bool resumed() const { return engine_ != nullptr && engine_->negotiated().resumed; }

  // As send_pieces(): how many bytes were taken, 0 when none are now. What was taken may still have to leave.
  std::size_t send(std::span<iovec> pieces);
  // True when nothing waits to leave.
  bool flush();
  // As receive() in sockets.h. May give nothing though bytes came.
  std::size_t receive(std::span<std::byte> buffer, bool* ended = nullptr);
  // receive() has more without any arriving.
  bool pending() const { return engine_ != nullptr && (!cipher_.empty() || engine_->has_plain()); }
  // The other side is gone: sending fails without a word, and the socket's end comes next.
  void let_go_quietly() { quiet_ = true; }
  // Says close_notify, if it can.
  void say_end();

 private:
  void take_own();

  Descriptor socket_;
  std::unique_ptr<tls::Engine> engine_;
  std::vector<std::byte> out_;
  std::size_t out_at_ = 0;
  bool quiet_ = false;
  bool gone_ = false;
  std::vector<std::byte> cipher_;  // received, not yet decrypted
};

}  // namespace kferry::bench
