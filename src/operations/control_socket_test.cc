#include "operations/control_socket.h"

#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "operations/control_fixture_test.h"

namespace kferry::operations {
namespace {

std::string error_of(const std::string& path) {
  const auto opened = ControlSocket::open(path);
  return opened ? "" : opened.error();
}

}  // namespace

TEST_CASE("a control socket listens for its owner alone and is removed at its end") {
  const ControlFolder folder;
  {
    const auto opened = ControlSocket::open(folder.path);
    REQUIRE(opened);
    struct stat file{};
    REQUIRE(lstat(folder.path.c_str(), &file) == 0);
    CHECK((file.st_mode & 07777U) == 0600);
    const int client = connect_to(folder.path);
    CHECK(client >= 0);
    close(client);
  }
  CHECK_FALSE(std::filesystem::exists(folder.path));
}

TEST_CASE("a second process does not take a socket that is served") {
  const ControlFolder folder;
  const auto first = ControlSocket::open(folder.path);
  REQUIRE(first);
  CHECK(error_of(folder.path).find("another kferry serves it") != std::string::npos);
  CHECK(std::filesystem::exists(folder.path));
  const int client = connect_to(folder.path);
  CHECK(client >= 0);
  close(client);
}

TEST_CASE("a live socket without a lock is left alone, a dead one is replaced") {
  const ControlFolder folder;
  {
    auto other = ControlSocket::open(folder.path);
    REQUIRE(other);
    std::filesystem::remove(folder.path + ".lock");  // as if another program listened there
    CHECK(error_of(folder.path).find("another process listens there") != std::string::npos);
    CHECK(std::filesystem::exists(folder.path));
    other->leave_in_place();
  }
  REQUIRE(std::filesystem::exists(folder.path));
  CHECK(connect_to(folder.path) < 0);
  CHECK(error_of(folder.path).empty());
}

TEST_CASE("a file that is not a socket is left alone") {
  const ControlFolder folder;
  std::ofstream(folder.path) << "precious";
  CHECK(error_of(folder.path).find("is not a socket") != std::string::npos);
  CHECK(std::filesystem::file_size(folder.path) == 8);
}

TEST_CASE("what another process has put in its place is left alone") {
  const ControlFolder folder;
  auto opened = std::optional(ControlSocket::open(folder.path));
  REQUIRE(*opened);
  std::filesystem::remove(folder.path);
  std::ofstream(folder.path) << "other";
  opened.reset();
  CHECK(std::filesystem::exists(folder.path));
}

TEST_CASE("a path that cannot be used names the remedy") {
  CHECK(error_of("/nowhere/kferry/control.sock").find("create its directory") != std::string::npos);
  CHECK(error_of("control.sock").find("absolute") != std::string::npos);
  CHECK(error_of("/" + std::string(200, 'a')).find("shorter than 108 bytes") != std::string::npos);
}

TEST_CASE("an adopted socket keeps its lock and its path") {
  const ControlFolder folder;
  auto first = ControlSocket::open(folder.path);
  REQUIRE(first);
  {
    const ControlSocket second =
        ControlSocket::adopt(folder.path, dup(first->listening()), dup(first->lock()));
    first->leave_in_place();
    *first = ControlSocket::adopt("", -1, -1);
    CHECK(error_of(folder.path).find("another kferry serves it") != std::string::npos);
    const int client = connect_to(folder.path);
    CHECK(client >= 0);
    close(client);
  }
  CHECK_FALSE(std::filesystem::exists(folder.path));
}

}  // namespace kferry::operations
