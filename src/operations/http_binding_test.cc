#include "operations/http_binding.h"

#include <doctest/doctest.h>

#include <string>

namespace kferry::operations {
namespace {

SocketAddress at(const char* literal, std::uint16_t port = 8888) {
  return *SocketAddress::parse(literal, port);
}

std::string texts(const std::vector<HttpBinding>& bindings) {
  std::string out;
  for (const SocketAddress& address : http_sockets(bindings))
    out += (out.empty() ? "" : " ") + address.text();
  return out;
}

TEST_CASE("bindings of one port share a wildcard's socket") {
  const HttpBinding all{at("127.0.0.1"), all_http_paths};
  CHECK(texts({all}) == "127.0.0.1:8888");
  CHECK(texts({all, {at("0.0.0.0"), only_health}}) == "0.0.0.0:8888");
  CHECK(texts({{at("0.0.0.0"), only_health}, all}) == "0.0.0.0:8888");
  CHECK(texts({all, {at("::"), only_health}}) == "[::]:8888");
  CHECK(texts({all, {at("::1"), only_health}}) == "127.0.0.1:8888 [::1]:8888");
  CHECK(texts({all, {at("0.0.0.0", 9999), only_metrics}}) == "127.0.0.1:8888 0.0.0.0:9999");
  CHECK(texts({all, {at("127.0.0.1"), only_health}}) == "127.0.0.1:8888");
  CHECK(texts({{at("::1"), all_http_paths}, {at("0.0.0.0"), only_health}}) == "[::1]:8888 0.0.0.0:8888");
}

TEST_CASE("the local address says which paths a connection may ask for") {
  const std::vector<HttpBinding> bindings{{at("127.0.0.1"), all_http_paths},
                                          {at("0.0.0.0"), only_health},
                                          {at("10.0.0.1"), only_metrics},
                                          {at("0.0.0.0", 9999), only_metrics}};
  CHECK(http_paths_at(bindings, at("127.0.0.1")) == all_http_paths);
  CHECK(http_paths_at(bindings, at("10.0.0.2")) == only_health);
  CHECK(http_paths_at(bindings, at("10.0.0.1")) == HttpPaths{.health = true, .metrics = true});
  CHECK(http_paths_at(bindings, at("127.0.0.1", 9999)) == only_metrics);
  CHECK_FALSE(http_paths_at(bindings, at("127.0.0.1", 1)).any());
}

TEST_CASE("an IPv4 connection to an IPv6 wildcard has its IPv4 address") {
  const std::vector<HttpBinding> bindings{{at("127.0.0.1"), all_http_paths}, {at("::"), only_health}};
  CHECK(http_paths_at(bindings, at("::ffff:127.0.0.1")) == all_http_paths);
  CHECK(http_paths_at(bindings, at("::ffff:10.0.0.1")) == only_health);
  CHECK(http_paths_at(bindings, at("::1")) == only_health);
}

TEST_CASE("a set of paths serves its own alone") {
  CHECK(only_health.serves("/health"));
  CHECK(only_health.serves("/health/live"));
  CHECK_FALSE(only_health.serves("/healthy"));
  CHECK_FALSE(only_health.serves("/metrics"));
  CHECK(only_metrics.serves("/metrics"));
  CHECK_FALSE(only_metrics.serves("/"));
  CHECK(all_http_paths.serves("/"));
}

}  // namespace
}  // namespace kferry::operations
