// Kafka-framed load for bench.py; a tool for measuring, never installed. Both sides check every byte.
//
//   load --serve 127.0.0.1:9092
//   load --drive 127.0.0.1:9092 --workload fetch --version 17 --size 262144 --connections 4
//   load --relay 127.0.0.1:9093 --to 127.0.0.1:9092 --each-way-ms 40
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "channel.h"
#include "drive.h"
#include "frames.h"
#include "relay.h"
#include "serve.h"
#include "sockets.h"

namespace {

using namespace kferry::bench;

constexpr const char* usage =
    "load --serve HOST:PORT [--certificate FILE]\n"
    "load --drive HOST:PORT [--workload small|fetch|produce|churn|idle] [--connections N] [--depth N] "
    "[--size "
    "OCTETS]\n"
    "     [--version N] [--partitions N] [--warm-up SECONDS] [--seconds SECONDS] [--wait]\n"
    "     [--authority FILE [--resume]] [--requests-per-second N] [--stalled N]\n"
    "load --relay HOST:PORT --to HOST:PORT [--each-way-ms N]\n";

double number(std::string_view option, const char* text, double max) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= 0) || value > max)
    fail(std::string(option) + " takes a number from 0 to " + std::to_string(max) + ", not " + text);
  return value;
}

Workload workload_of(const std::string& name) {
  if (name == "small") return Workload::small;
  if (name == "fetch") return Workload::fetch;
  if (name == "produce") return Workload::produce;
  if (name == "churn") return Workload::churn;
  if (name == "idle") return Workload::idle;
  fail("no workload " + name);
}

}  // namespace

int main(int count, char** arguments) {
  DriveOptions options;
  std::string serve_at;
  std::string certificate;
  std::string authority;
  std::string relay_at;
  std::string relay_to;
  double each_way_ms = 40;
  bool resume = false;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (option == "--wait") {
      options.wait = true;
      continue;
    }
    if (option == "--resume") {
      resume = true;
      continue;
    }
    if (option == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (++i == count) fail(option + " needs a value; see --help");
    const char* value = arguments[i];
    const auto size = [&](double max) { return static_cast<std::size_t>(number(option, value, max)); };
    if (option == "--serve")
      serve_at = value;
    else if (option == "--certificate")
      certificate = value;
    else if (option == "--authority")
      authority = value;
    else if (option == "--relay")
      relay_at = value;
    else if (option == "--to")
      relay_to = value;
    else if (option == "--each-way-ms")
      each_way_ms = number(option, value, 10'000);
    else if (option == "--drive")
      options.server = value;
    else if (option == "--workload")
      options.workload = workload_of(value);
    else if (option == "--connections")
      options.connections = size(10'000);
    else if (option == "--depth")
      options.depth = size(1'000);
    else if (option == "--size")
      options.size = size(64 << 20);
    else if (option == "--version")
      options.version = static_cast<std::int16_t>(size(100));
    else if (option == "--partitions")
      options.partitions = size(100);
    else if (option == "--requests-per-second")
      options.requests_per_s = number(option, value, 1e7);
    else if (option == "--stalled")
      options.stalled = size(100);
    else if (option == "--warm-up")
      options.warm_up_s = number(option, value, 60);
    else if (option == "--seconds")
      options.seconds = number(option, value, 3600);
    else
      fail("no option " + option + "; see --help");
  }
  if (serve_at.empty() + options.server.empty() + relay_at.empty() != 2)
    fail("one of --serve, --drive and --relay; see --help");
  if (!relay_at.empty())
    relay(relay_at, relay_to, std::chrono::nanoseconds(static_cast<std::int64_t>(each_way_ms * 1e6)));
  if (!serve_at.empty()) serve(serve_at, certificate.empty() ? nullptr : server_context(certificate));
  if (!authority.empty()) options.tls = client_context(authority, resume);
  const bool large = options.workload == Workload::fetch || options.workload == Workload::produce;
  if (large && options.size < 1024) fail("--size from 1024, for this workload");
  if (options.connections == 0 || options.depth == 0) fail("--connections and --depth from 1");
  if (options.workload == Workload::fetch && (options.version < 15 || options.version > 17))
    fail("--version 15 to 17 for fetch");
  if (options.workload == Workload::produce && (options.version < 9 || options.version > 12))
    fail("--version 9 to 12 for produce");
  if (options.stalled > 0 && (options.workload != Workload::fetch || options.tls != nullptr))
    fail("--stalled goes with fetch, in plaintext");
  drive(options);
  return 0;
}
