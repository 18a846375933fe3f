#include "operations/http_request.h"

#include <doctest/doctest.h>

namespace kferry::operations {
namespace {

std::string path_of(std::string_view head) {
  const auto request = parse_http_head(head);
  return request ? request->path : std::to_string(request.error());
}

TEST_CASE("a head ends at its empty line, whatever follows") {
  CHECK(http_head_size("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next") == 27);
  CHECK(http_head_size("GET / HTTP/1.0\n\n") == 16);
  CHECK(http_head_size("\r\nGET / HTTP/1.0\r\n\r\n") == 20);
  CHECK_FALSE(http_head_size("GET / HTTP/1.1\r\nHost: a\r\n"));
  CHECK_FALSE(http_head_size("\r\n\r\n"));
  CHECK_FALSE(http_head_size(""));
}

TEST_CASE("GET and HEAD with a path, a query, an absolute target") {
  CHECK(path_of("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n") == "/metrics");
  CHECK(path_of("GET /metrics?x=/y HTTP/1.1\r\nhost:a\r\nAccept: */*\r\n\r\n") == "/metrics");
  CHECK(path_of("GET http://a:8888/health/live HTTP/1.1\r\nHost: a\r\n\r\n") == "/health/live");
  CHECK(path_of("GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n") == "/");
  CHECK(path_of("GET /health HTTP/1.0\n\n") == "/health");
  const auto head = parse_http_head("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(head);
  CHECK(head->method == HttpMethod::head);
}

TEST_CASE("what is wrong with a request decides its status") {
  CHECK(path_of("GET / HTTP/1.1\r\n\r\n") == "400");                        // no Host
  CHECK(path_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == "400");  // two of them
  CHECK(path_of("POST / HTTP/1.1\r\nHost: a\r\n\r\n") == "405");
  CHECK(path_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == "405");
  CHECK(path_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == "505");
  CHECK(path_of("PRI * HTTP/2.0\r\n\r\n") == "505");
  CHECK(path_of("GET /\r\n\r\n") == "400");
  CHECK(path_of("GET  HTTP/1.1\r\n\r\n") == "400");
  CHECK(path_of("GET health HTTP/1.1\r\nHost: a\r\n\r\n") == "400");
  CHECK(path_of("GET / x HTTP/1.0\r\n\r\n") == "400");
  CHECK(path_of("GET / HTTP/1.1x\r\nHost: a\r\n\r\n") == "400");
  CHECK(path_of("GET / HTTP/1.0\r\n folded\r\n\r\n") == "400");
  CHECK(path_of("GET / HTTP/1.0\r\nName : a\r\n\r\n") == "400");
  CHECK(path_of(std::string_view("GET / HTTP/1.0\r\nName: \0\r\n\r\n", 27)) == "400");
  CHECK(path_of("GET /\x80 HTTP/1.0\r\n\r\n") == "400");
}

TEST_CASE("bytes that cannot become a request are known at once") {
  CHECK(may_begin_http(""));
  CHECK(may_begin_http("\r\n"));
  CHECK(may_begin_http("GE"));
  CHECK(may_begin_http("GET /\xFF"));
  CHECK_FALSE(may_begin_http("\x16\x03\x01"));
  CHECK_FALSE(may_begin_http(std::string_view("\0\0\0\x20", 4)));
  CHECK_FALSE(may_begin_http("hello\n"));
}

}  // namespace
}  // namespace kferry::operations
