#include "base/read_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace kferry {
namespace {

using namespace std::chrono_literals;

struct Folder {
  Folder() {
    std::string made = (std::filesystem::temp_directory_path() / "kferry-XXXXXX").string();
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path = made;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
  std::filesystem::path path;
};

std::string why_not(const std::string& path, std::size_t size_max = 1000) {
  const Instant began = monotonic_now();
  const auto read = read_file(path, size_max, 200ms);
  CHECK(monotonic_now() - began < 5s);
  REQUIRE_FALSE(read);
  CHECK_FALSE(read.error().why.empty());
  return read.error().why;
}

TEST_CASE("a file is read whole, up to its limit") {
  const Folder folder;
  const std::string text(100'000, 'x');
  const std::string path = folder.file("a", text);
  CHECK(text_of(read_file(path, 100'000).value()) == text);
  CHECK(why_not(path, 99'999) == "is larger than 99999 bytes: correct the path");
  CHECK(read_file(folder.file("empty", ""), 0).value().empty());
  CHECK(read_file("/dev/null", 1).value().empty());
  // A file of the kernel says that its size is 0.
  CHECK_FALSE(read_file("/proc/self/status", 1'000'000).value().empty());
}

TEST_CASE("what is not a file is refused with its reason, without waiting") {
  const Folder folder;
  CHECK(read_file(folder.path, 1).error().error == EISDIR);
  CHECK(read_file(folder.path / "missing", 1).error().error == ENOENT);
  std::filesystem::create_symlink("loop", folder.path / "loop");
  CHECK(read_file(folder.path / "loop", 1).error().error == ELOOP);
  CHECK(why_not("/dev/zero", 10'000'000).starts_with("is larger than 10000000 bytes"));
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0 && ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0) {
    std::array<char, 128> name{};
    REQUIRE(::ptsname_r(terminal, name.data(), name.size()) == 0);
    CHECK(why_not(name.data()).find("terminal") != std::string::npos);
  }
  if (terminal >= 0) ::close(terminal);
}

TEST_CASE("a pipe without a writer is refused at once") {
  const Folder folder;
  const std::string path = folder.path / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(why_not(path).find("no process writes") != std::string::npos);
  CHECK(is_pipe(path));
  CHECK_FALSE(is_pipe(folder.path));
  CHECK_FALSE(is_pipe(path + "-that-is-not-there"));
}

TEST_CASE("a pipe with a slow writer is read to its end, and waited for only so long") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  CHECK(why_not(path).find("did not finish") != std::string::npos);
  std::thread writer([&ends] {
    const std::string text(200'000, 'y');  // more than a pipe holds
    std::size_t at = 0;
    while (at < text.size()) {
      const ssize_t sent = ::write(ends[1], text.data() + at, text.size() - at);
      if (sent <= 0) break;
      at += static_cast<std::size_t>(sent);
    }
    ::close(ends[1]);
  });
  const auto read = read_file(path, 1'000'000);
  writer.join();
  ::close(ends[0]);
  REQUIRE(read);
  CHECK(read->size() == 200'000);
}

}  // namespace
}  // namespace kferry
