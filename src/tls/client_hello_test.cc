#include "tls/client_hello.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

std::string hello_of(const std::string& host, Version highest) {
  ClientSettings settings;
  settings.offer.highest = highest;
  const auto engine = Engine::client(client_context(settings), host, 1);
  const auto octets = engine->to_send();
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// The same message in records of `size` octets each.
std::string cut_into_records(const std::string& hello, std::size_t size) {
  std::string result;
  for (std::size_t at = 5; at < hello.size(); at += size) {
    const std::string part = hello.substr(at, size);
    result += hello.substr(0, 3);
    result += static_cast<char>(part.size() >> 8);
    result += static_cast<char>(part.size());
    result += part;
  }
  return result;
}

TEST_CASE("the name and the highest version are read, in any cut") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    const std::string whole = hello_of("B1.Kafka.example", version);
    for (const std::size_t size : {1UL, 2UL, 5UL, 50UL, 16384UL}) {
      const std::string stream = cut_into_records(whole, size);
      ClientHello hello;
      for (std::size_t length = 0; length < stream.size(); ++length) {
        REQUIRE(read_client_hello(octets(stream).first(length), hello) == HelloReading::incomplete);
      }
      REQUIRE(read_client_hello(octets(stream), hello) == HelloReading::complete);
      CHECK(hello.server_name == "b1.kafka.example");
      CHECK(hello.highest_version == (version == Version::tls_1_3 ? 0x0304 : 0x0303));
    }
  }
  ClientHello hello;
  CHECK(read_client_hello(octets(hello_of("127.0.0.1", Version::tls_1_3)), hello) == HelloReading::complete);
  CHECK(hello.server_name.empty());
}

TEST_CASE("a hello whose lengths do not fit is refused, whatever octet is changed") {
  const std::string whole = hello_of("b1.example", Version::tls_1_3);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(change);
      ClientHello hello;
      read_client_hello(octets(changed), hello);
      CHECK(hello.server_name.size() <= 255);
      for (const char c : hello.server_name) CHECK((c > ' ' && c <= '~'));
    }
  }
}

TEST_CASE("a hello of TLS 1.3 lacks none of what must be there") {
  const std::string whole = hello_of("b1.example", Version::tls_1_3);
  ClientHello hello;
  REQUIRE(read_client_hello(octets(whole), hello) == HelloReading::complete);
  CHECK_FALSE(hello.lacks_extension);
  using namespace std::string_view_literals;
  for (const std::string_view type : {"\x00\x0A"sv, "\x00\x0D"sv, "\x00\x33"sv}) {
    // As if it were another extension; elsewhere these octets mean something else.
    std::size_t lacking = 0;
    for (std::size_t at = whole.find(type); at != std::string::npos; at = whole.find(type, at + 1)) {
      std::string changed = whole;
      changed[at] = '\x7A';
      const bool complete = read_client_hello(octets(changed), hello) == HelloReading::complete;
      if (complete && hello.lacks_extension) ++lacking;
    }
    CHECK(lacking == 1);
  }
  CHECK(read_client_hello(octets(hello_of("b1.example", Version::tls_1_2)), hello) == HelloReading::complete);
  CHECK_FALSE(hello.lacks_extension);
}

TEST_CASE("an endless hello is none") {
  ClientHello hello;
  std::string claims("\x16\x03\x01\x40\x00\x01\xFF\xFF\xFF", 9);
  CHECK(read_client_hello(octets(claims), hello) == HelloReading::malformed);
  // One octet a record, of the longest hello there may be.
  std::string drip;
  const std::string start("\x01\x00\x40\x00", 4);
  for (std::size_t i = 0; i < 8000; ++i) {
    drip += std::string("\x16\x03\x01\x00\x01", 5);
    drip += i < start.size() ? start[i] : 'x';
  }
  CHECK(read_client_hello(octets(drip), hello) == HelloReading::malformed);
}

}  // namespace
}  // namespace kferry::tls
