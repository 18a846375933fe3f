#include "certificates/tls_watch.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <filesystem>

#include "certificates/tls_fixture_test.h"

using namespace kferry;
using namespace kferry::certificates;

namespace {

using std::chrono::milliseconds;

constexpr milliseconds never = std::chrono::hours(1);
// The promise is one second. A loaded machine with a sanitizer may take longer.
constexpr milliseconds soon = std::chrono::seconds(10);

struct Watched : Fixture {
  TlsContexts watched = contexts();
  std::unique_ptr<TlsWatch> watch;

  void start(milliseconds interval = never) {
    REQUIRE(watched.load().empty());
    // The watch reads once when it starts, so this change is found by that reading or by an event.
    pem("two", "server.p12");
    auto started = TlsWatch::start(watched, log, interval);
    REQUIRE(started);
    watch = std::move(*started);
    REQUIRE(log.comes("tls_renewed", "CN=two.example", soon));
  }
  bool serves_one() { return log.comes("tls_renewed", "CN=one.example", soon); }
};

std::size_t descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace

TEST_CASE_FIXTURE(Watched, "a file written in place is reloaded within a second") {
  start();
  const auto before = std::chrono::steady_clock::now();
  copy("one.p12", "server.p12");
  REQUIRE(serves_one());
  const auto took = std::chrono::steady_clock::now() - before;
  MESSAGE("served after " << std::chrono::duration_cast<milliseconds>(took).count() << " ms");
  CHECK(watched.version() == 3);
}

TEST_CASE_FIXTURE(Watched, "a file that is replaced, or removed and put back, is reloaded") {
  start();
  copy("one.p12", "new");
  std::filesystem::rename(folder / "new", folder / "server.p12");
  REQUIRE(serves_one());
  std::filesystem::remove(folder / "server.p12");
  REQUIRE(log.comes("tls_renewal_failed", "there is no such file", soon));
  pem("two", "server.p12");
  REQUIRE(log.comes("tls_renewal_well", "", soon));
}

TEST_CASE_FIXTURE(Watched, "a broken file is reported, and the last good one continues to serve") {
  start();
  const auto good = watched.snapshot();
  folder.write("server.p12", "garbage");
  REQUIRE(log.comes("tls_renewal_failed", "GATEWAY_SSL_KEY_STORE_PATH", soon));
  CHECK(watched.snapshot() == good);
  copy("one.p12", "server.p12");
  REQUIRE(serves_one());
}

TEST_CASE_FIXTURE(Fixture, "swapping a folder behind a link, as Kubernetes does, reloads the files") {
  std::filesystem::create_directory(folder / "first");
  std::filesystem::create_directory(folder / "second");
  pem("two", "first/tls.pem");
  pem("one", "second/tls.pem");
  std::filesystem::create_directory(folder / "mount");
  std::filesystem::create_symlink("../first", folder / "mount/..data");
  std::filesystem::create_symlink("..data/tls.pem", folder / "mount/tls.pem");
  variables["GATEWAY_SSL_KEY_STORE_PATH"] = folder / "mount/tls.pem";
  TlsContexts contexts = this->contexts();
  REQUIRE(contexts.load().empty());
  pem("one", "first/tls.pem");
  const auto watch = TlsWatch::start(contexts, log, never);
  REQUIRE(watch);
  REQUIRE(log.comes("tls_renewed", "CN=one.example", soon));
  pem("two", "second/tls.pem");
  std::filesystem::create_symlink("../second", folder / "mount/..new");
  std::filesystem::rename(folder / "mount/..new", folder / "mount/..data");
  CHECK(log.comes("tls_renewed", "CN=two.example", soon));
}

TEST_CASE_FIXTURE(Fixture, "a file in a folder that is created later is loaded") {
  variables["KAFKA_SSL_TRUSTSTORE_LOCATION"] = folder / "later/deep/ca.pem";
  TlsContexts contexts = this->contexts();
  REQUIRE(contexts.load().size() == 1);
  const auto watch = TlsWatch::start(contexts, log, never);
  REQUIRE(watch);
  std::filesystem::create_directories(folder / "later/deep");
  copy("ca.crt", "later/deep/ca.pem");
  CHECK(log.comes("tls_renewed", "the upstream of cluster default", soon));
}

TEST_CASE_FIXTURE(Watched, "the interval finds changes without events") {
  std::filesystem::create_directory(folder / "elsewhere");
  std::filesystem::create_hard_link(folder / "server.p12", folder / "elsewhere/alias");
  start(milliseconds(50));
  // A write through another name of the file raises no event in the watched folder.
  copy("one.p12", "elsewhere/alias");
  CHECK(serves_one());
}

TEST_CASE_FIXTURE(Watched, "what this host lacks is an error, and a later lack of descriptors is not") {
  REQUIRE(watched.load().empty());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 3;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto refused = TlsWatch::start(watched, log, never);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().find("raise the limit of open files") != std::string::npos);

  const std::size_t open_before = descriptors();
  start();
  const std::size_t watching = descriptors();
  CHECK(watching == open_before + 2);  // an eventfd and an inotify instance
  copy("one.p12", "server.p12");
  REQUIRE(serves_one());
  CHECK(descriptors() == watching);
  watch.reset();
  CHECK(descriptors() == open_before);
}
