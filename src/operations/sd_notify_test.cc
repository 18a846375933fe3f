#include "operations/sd_notify.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

// A socket as systemd's: at a path in a folder of its own, or in the abstract namespace.
class Receiver {
 public:
  explicit Receiver(bool abstract) {
    REQUIRE(mkdtemp(folder_.data()) != nullptr);
    path_ = folder_ + "/notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (abstract) address.sun_path[0] = '\0';
    if (abstract) path_[0] = '@';
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(fd_ >= 0);
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size() + (abstract ? 0 : 1));
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver() {
    close(fd_);
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }

  const std::string& name() const { return path_; }
  // The next datagram; empty: none has come.
  std::string take() const {
    std::array<char, 4096> room{};
    const ssize_t size = recv(fd_, room.data(), room.size(), 0);
    return size < 0 ? std::string() : std::string(room.data(), static_cast<std::size_t>(size));
  }

 private:
  std::string folder_ = "/tmp/kferry-notify-XXXXXX";
  std::string path_;
  int fd_ = -1;
};

TEST_CASE("each state is one datagram, at a path and in the abstract namespace") {
  for (const bool abstract : {false, true}) {
    const Receiver receiver(abstract);
    SdNotify notify({receiver.name(), 10s});
    CHECK(notify.ready("2 listeners") == 0);
    CHECK(receiver.take() == "READY=1\nSTATUS=2 listeners");
    CHECK(notify.status("a\nb") == 0);
    CHECK(receiver.take() == "STATUS=a b");
    CHECK(notify.stopping("stopping") == 0);
    CHECK(receiver.take() == "STOPPING=1\nSTATUS=stopping");
    CHECK(notify.main_process(4711) == 0);
    CHECK(receiver.take() == "MAINPID=4711");
    CHECK(notify.alive() == 0);
    CHECK(receiver.take() == "WATCHDOG=1");
    CHECK(notify.reloading() == 0);
    const std::string reloading = receiver.take();
    REQUIRE(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    const auto told = std::chrono::microseconds(std::stoll(reloading.substr(reloading.rfind('=') + 1)));
    CHECK(told <= monotonic_now().time_since_epoch());
    CHECK(told > monotonic_now().time_since_epoch() - 10s);
  }
}

TEST_CASE("without a service manager nothing is sent, and nothing fails") {
  SdNotify notify({"", std::nullopt});
  CHECK(notify.ready("a") == 0);
  CHECK(notify.alive() == 0);
  CHECK_FALSE(notify.alive_interval());
}

TEST_CASE("a socket that is gone, full or named too long is an errno, and no wait") {
  CHECK(SdNotify({"/nonexistent/notify", std::nullopt}).ready("a") == ENOENT);
  CHECK(SdNotify({std::string(200, 'x'), std::nullopt}).ready("a") == ENAMETOOLONG);
  CHECK(SdNotify({"@" + std::string(107, 'x'), std::nullopt}).ready("a") == ECONNREFUSED);
  CHECK(SdNotify({"@" + std::string(108, 'x'), std::nullopt}).ready("a") == ENAMETOOLONG);
  const Receiver receiver(false);
  SdNotify notify({receiver.name(), std::nullopt});
  int error = 0;
  for (int i = 0; i < 100'000 && error == 0; ++i) error = notify.status("a");
  CHECK(error == EAGAIN);
}

TEST_CASE("the environment tells where, and how often a sign of life is due") {
  const auto options = [](const char* socket, const char* interval, const std::string& process) {
    setenv("NOTIFY_SOCKET", socket, 1);
    setenv("WATCHDOG_USEC", interval, 1);
    process.empty() ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", process.c_str(), 1);
    const SdNotify::Options read = SdNotify::environment();
    for (const char* const name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    return read;
  };
  const std::string own = std::to_string(getpid());
  CHECK(options("@a", "30000000", "").watchdog == 30s);
  CHECK(options("@a", "30000000", own).watchdog == 30s);
  CHECK_FALSE(options("@a", "30000000", own + "0").watchdog);
  for (const char* const malformed : {"", "0", "-1", "30s", "99999999999999999999"})
    CHECK_FALSE(options("@a", malformed, own).watchdog);
  CHECK(options("@a", "18446744073709551615", own).watchdog > 24h);
  CHECK(SdNotify(options("@a", "30000000", own)).alive_interval() == 15s);
  CHECK_FALSE(SdNotify(options("", "30000000", own)).alive_interval());
  CHECK(SdNotify::environment().socket.empty());
}

}  // namespace
}  // namespace kferry::operations
