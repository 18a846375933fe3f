#include "tls/client_hello.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <string>

#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

std::string hello_of(const std::string& host, Version highest) {
  ClientSettings settings;
  settings.offer.highest = highest;
  const auto engine = Engine::client(client_context(settings), host, 1);
  const auto bytes = engine->to_send();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The result of reading a stream in pieces of `cut` bytes.
struct Reading {
  ClientHelloReader reader;
  Bytes records;
  ClientHello hello;

  explicit Reading(std::string_view stream, std::size_t cut = std::string::npos) {
    for (std::size_t at = 0; at < stream.size(); at += std::min(cut, stream.size() - at))
      reader.take(bytes_of(stream.substr(at, cut)), records, hello);
  }
  bool complete() const { return reader.reading() == HelloReading::complete; }
};

// The same message in records of `size` bytes each.
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

TEST_CASE("the name and the highest version are read from any pieces, and the records are joined") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    const std::string whole = hello_of("B1.Kafka.example", version);
    for (const std::size_t size : {1UL, 2UL, 5UL, 50UL, 16384UL}) {
      const std::string stream = cut_into_records(whole, size);
      Reading short_of_one(std::string_view(stream).substr(0, stream.size() - 1), 1);
      CHECK(short_of_one.reader.reading() == HelloReading::incomplete);
      for (const std::size_t cut : {1UL, 7UL, 100'000UL}) {
        const Reading reading(stream, cut);
        REQUIRE(reading.complete());
        CHECK(reading.hello.server_name == "b1.kafka.example");
        CHECK(reading.hello.highest_version == (version == Version::tls_1_3 ? 0x0304 : 0x0303));
        CHECK(text_of(reading.records) == whole);
      }
    }
  }
  const Reading reading(hello_of("127.0.0.1", Version::tls_1_3));
  CHECK(reading.complete());
  CHECK(reading.hello.server_name.empty());
}

TEST_CASE("bytes that follow the hello are kept, in its record or in others") {
  const std::string whole = hello_of("b1.example", Version::tls_1_3);
  const std::string behind = whole + "\x14\3\3\0\1\1 and more";
  std::string within = whole + "tail";
  within[4] = static_cast<char>(within[4] + 4);
  for (const std::size_t cut : {1UL, 100'000UL}) {
    for (const std::string& stream : {behind, within}) {
      // The reader takes nothing after the piece that completes the hello.
      const Reading reading(stream, cut);
      REQUIRE(reading.complete());
      CHECK(text_of(reading.records).starts_with(cut == 1 ? stream.substr(0, whole.size()) : stream));
    }
  }
}

TEST_CASE("a hello with inconsistent lengths is refused, whichever byte is changed") {
  const std::string whole = hello_of("b1.example", Version::tls_1_3);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(change);
      const Reading reading(changed);
      CHECK(reading.hello.server_name.size() <= 255);
      for (const char c : reading.hello.server_name) CHECK((c > ' ' && c <= '~'));
    }
  }
}

TEST_CASE("a TLS 1.3 hello needs all its required extensions") {
  const std::string whole = hello_of("b1.example", Version::tls_1_3);
  REQUIRE(Reading(whole).complete());
  CHECK_FALSE(Reading(whole).hello.lacks_extension);
  using namespace std::string_view_literals;
  for (const std::string_view type : {"\x00\x0A"sv, "\x00\x0D"sv, "\x00\x33"sv}) {
    // Makes it another extension. Elsewhere these bytes have a different meaning.
    std::size_t lacking = 0;
    for (std::size_t at = whole.find(type); at != std::string::npos; at = whole.find(type, at + 1)) {
      std::string changed = whole;
      changed[at] = '\x7A';
      const Reading reading(changed);
      if (reading.complete() && reading.hello.lacks_extension) ++lacking;
    }
    CHECK(lacking == 1);
  }
  const Reading reading(hello_of("b1.example", Version::tls_1_2));
  CHECK(reading.complete());
  CHECK_FALSE(reading.hello.lacks_extension);
}

// A TLS 1.3 hello, padded to `size` bytes.
std::string padded_hello(std::size_t size) {
  std::string hello = hello_of("b1.example", Version::tls_1_3).substr(9);
  const auto byte_at = [&](std::size_t at) { return std::size_t{static_cast<unsigned char>(hello[at])}; };
  const std::size_t suites_at = 34 + 1 + 32;
  const std::size_t extensions_at = suites_at + 2 + (byte_at(suites_at) << 8U) + byte_at(suites_at + 1) + 2;
  REQUIRE(hello.size() + 4 <= size);
  const std::size_t padding = size - hello.size() - 4;
  hello += std::string("\0\x15", 2) + static_cast<char>(padding >> 8) + static_cast<char>(padding) +
           std::string(padding, '\0');
  const std::size_t extensions = hello.size() - extensions_at - 2;
  hello[extensions_at] = static_cast<char>(extensions >> 8);
  hello[extensions_at + 1] = static_cast<char>(extensions);
  return std::string("\x16\3\1..\1", 6) + static_cast<char>(size >> 16) + static_cast<char>(size >> 8) +
         static_cast<char>(size) + hello;
}

TEST_CASE("a long hello is read, even in records of one byte, and is held only once") {
  for (const std::size_t size : {17'000UL, client_hello_size_max}) {
    const std::string whole = padded_hello(size);
    for (const std::size_t record : {1UL, 16'384UL, 10'000UL}) {
      const std::string stream = cut_into_records(whole, record);
      for (const std::size_t cut : {1000UL, 1'000'000UL}) {
        const Reading reading(stream, cut);
        REQUIRE(reading.complete());
        CHECK(reading.hello.server_name == "b1.example");
        CHECK(reading.records.capacity() <= size + 512);
      }
    }
  }
  CHECK(Reading(cut_into_records(padded_hello(client_hello_size_max + 1), 16'384)).reader.reading() ==
        HelloReading::too_long);
}

TEST_CASE("a hello that comes byte by byte is read once, not again from the start with each byte") {
  const std::string stream = cut_into_records(padded_hello(client_hello_size_max), 1);
  const std::clock_t begin = std::clock();
  CHECK(Reading(stream, 1).complete());
  CHECK(std::clock() - begin < CLOCKS_PER_SEC);
}

TEST_CASE("a length out of range is refused as soon as it is read") {
  const std::string claims("\x16\x03\x01\x40\x00\x01\xFF\xFF\xFF", 9);
  CHECK(Reading(claims, 1).reader.reading() == HelloReading::too_long);
  CHECK(Reading(std::string("\x16\x03\x01\x40\x01", 5)).reader.reading() == HelloReading::malformed);
  CHECK(Reading(std::string("\x16\x03\x01\x00\x00", 5)).reader.reading() == HelloReading::malformed);
}

}  // namespace
}  // namespace kferry::tls
