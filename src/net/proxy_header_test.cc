#include "net/proxy_header.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

using namespace kferry;
using namespace kferry::net;

namespace {

using State = ProxyRead::State;
using Cloud = CloudEndpoint::Cloud;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

ProxyRead read(const std::string& text, ProxyHeader& into) {
  return read_proxy_header(bytes_of(text), into);
}

State state_of(const std::string& text) {
  ProxyHeader header;
  return read(text, header).state;
}

std::string fault_of(const std::string& text) {
  ProxyHeader header;
  const ProxyRead outcome = read(text, header);
  CHECK(outcome.state == State::malformed);
  return std::string(outcome.fault);
}

std::string tlv(int type, const std::string& value) {
  return std::string{static_cast<char>(type), static_cast<char>(value.size() >> 8U),
                     static_cast<char>(value.size() & 0xFFU)} +
         value;
}

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string four("\xC0\x00\x02\x07\xC6\x33\x64\x01\xDC\x04\x1B\x39", 12);

std::string v2(int command, int family, const std::string& rest) {
  return signature + static_cast<char>(command) + static_cast<char>(family) +
         static_cast<char>(rest.size() >> 8U) + static_cast<char>(rest.size() & 0xFFU) + rest;
}

std::string six() {
  std::string text("\x20\x01\x0D\xB8", 4);
  text += std::string(11, '\0') + '\x01';
  text += std::string(15, '\0') + '\x01';
  return text + std::string("\xDC\x04\x1B\x39", 4);
}

// Whole headers that are valid.
std::vector<std::string> samples() {
  return {"PROXY TCP4 192.0.2.7 198.51.100.1 56324 6969\r\n",
          "PROXY TCP6 2001:db8::1 ::1 56324 6969\r\n",
          "PROXY UNKNOWN\r\n",
          "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
          v2(0x21, 0x11, four),
          v2(0x21, 0x21, six()),
          v2(0x20, 0x00, ""),
          v2(0x21, 0x11, four + tlv(0x02, "broker-1.example") + tlv(0xEA, "\x01vpce-08d2bf15fac5001c9"))};
}

}  // namespace

TEST_CASE("version 1 names the client's address and port") {
  ProxyHeader header;
  const ProxyRead outcome = read("PROXY TCP4 192.0.2.7 198.51.100.1 56324 6969\r\nrest", header);
  CHECK(outcome.state == State::complete);
  CHECK(outcome.size == 46);
  CHECK(header.version == 1);
  CHECK(header.command == ProxyHeader::Command::proxy);
  CHECK(header.source.text() == "192.0.2.7:56324");
  CHECK(header.destination.text() == "198.51.100.1:6969");
  CHECK(read("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", header).state == State::complete);
  CHECK(header.source.text() == "[2001:db8::1]:1");
  CHECK(read("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", header).state == State::complete);
  CHECK(header.source.text() == "192.0.2.7:1");
}

TEST_CASE("UNKNOWN names no address, whatever follows") {
  for (const char* text : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN 1.2.3.4 garbage\r\n"}) {
    ProxyHeader header;
    CHECK(read(text, header).state == State::complete);
    CHECK(header.source.empty());
    CHECK(header.command == ProxyHeader::Command::proxy);
  }
}

TEST_CASE("version 2 names the client's address and port") {
  ProxyHeader header;
  CHECK(read(v2(0x21, 0x11, four) + "rest", header).size == 28);
  CHECK(header.version == 2);
  CHECK(header.source.text() == "192.0.2.7:56324");
  CHECK(header.destination.text() == "198.51.100.1:6969");
  CHECK(read(v2(0x21, 0x21, six()), header).state == State::complete);
  CHECK(header.source.text() == "[2001:db8::1]:56324");
  CHECK(header.destination.text() == "[::1]:6969");
}

TEST_CASE("LOCAL is the load balancer's own connection, whatever follows") {
  ProxyHeader header;
  CHECK(read(v2(0x20, 0x11, four + "\xFF"), header).state == State::complete);
  CHECK(header.command == ProxyHeader::Command::local);
  CHECK(header.source.empty());
}

TEST_CASE("families without an address of use leave it empty") {
  ProxyHeader header;
  CHECK(read(v2(0x21, 0x00, tlv(0x02, "name")), header).state == State::complete);
  CHECK(header.source.empty());
  CHECK(header.authority == "name");
  CHECK(read(v2(0x21, 0x31, std::string(216, 'u')), header).state == State::complete);
  CHECK(header.source.empty());
}

TEST_CASE("TLVs name the authority and the endpoints of clouds") {
  const auto with = [](const std::string& tlvs) {
    ProxyHeader header;
    CHECK(read(v2(0x21, 0x11, four + tlvs), header).state == State::complete);
    return header;
  };
  CHECK(with(tlv(0x02, "broker-1.example")).authority == "broker-1.example");
  CHECK(with(tlv(0xEA, "\x01vpce-08d2bf15fac5001c9")).endpoint->text() == "vpce-08d2bf15fac5001c9");
  CHECK(with(tlv(0xEE, std::string("\x01\x21\x00\x00\x04", 5))).endpoint->text() == "azure:67108897");
  CHECK(with(tlv(0xE0, std::string("\x00\x00\x00\x00\xFF\xFF\xFF\xFF", 8))).endpoint->text() ==
        "gcp:4294967295");
  CHECK(with(tlv(0x04, "padding") + tlv(0x02, "x")).authority == "x");
  CHECK_FALSE(with(tlv(0xEA, "\x02other")).endpoint);
  CHECK_FALSE(with(tlv(0xEA, "\x01vpce-\n")).endpoint);
  CHECK_FALSE(with(tlv(0xEA, "\x01" + std::string(65, 'a'))).endpoint);
  CHECK_FALSE(with(tlv(0xE0, "1234567")).endpoint);
  CHECK_FALSE(with(tlv(0xEE, "\x01")).endpoint);
}

// The sum is that of the sample in RFC 3720, B.4, computed by an independent implementation over the whole header.
TEST_CASE("a checksum is compared") {
  std::string header = v2(0x21, 0x11, four + tlv(0x03, std::string(4, '\0')));
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : header) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1U) ^ 0x82F63B78U : crc >> 1U;
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i)
    header[header.size() - 4 + static_cast<std::size_t>(i)] = static_cast<char>(crc >> (24 - 8 * i));
  CHECK(state_of(header) == State::complete);
  header[header.size() - 1] ^= 1;
  CHECK(fault_of(header) == "a wrong checksum");
}

TEST_CASE("a header cut at any byte is incomplete, and its bytes are never read twice") {
  for (const std::string& whole : samples()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(state_of(whole.substr(0, size)) == State::incomplete);
    }
    ProxyHeader header;
    CHECK(read(whole, header).size == whole.size());
    CHECK(read(whole + whole, header).size == whole.size());
  }
}

TEST_CASE("other protocols have no header") {
  for (const char* text :
       {"\x16\x03\x01", "GET / HTTP", "SSH-2.0", "PROXIES", "POST", "PROXY\r\n", "\r\n\r\nQUIT"})
    CHECK(state_of(text) == State::absent);
  CHECK(state_of(std::string("\0\0\0\x1F", 4)) == State::absent);
}

TEST_CASE("malformed headers are told from incomplete ones as soon as they can be") {
  CHECK(fault_of("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n").find("a protocol") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n").find("fewer") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n").find("a port") == 0);
  CHECK(fault_of("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n").find("a port") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n").find("a port") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n").find("a port") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n").find("a port") == 0);
  CHECK(fault_of("PROXY TCP4 ::1 ::2 1 2\r\n").find("an address") == 0);
  CHECK(fault_of("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n").find("an address") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n").find("an address") == 0);
  CHECK(fault_of("PROXY TCP4 1.2.3.4\rx").find("a carriage return") == 0);
  CHECK(fault_of("PROXY " + std::string(101, 'x')).find("no line end") == 0);
  CHECK(fault_of("PROXY " + std::string(100, 'x') + "\r").find("no line end") == 0);
  CHECK(state_of("PROXY UNKNOWN" + std::string(92, ' ') + "\r\n") == State::complete);
  CHECK(fault_of(signature + std::string("\x11\x11\x00\x0C", 4)).find("a version") == 0);
  CHECK(fault_of(signature + std::string("\x22\x11\x00\x0C", 4)).find("a command") == 0);
  CHECK(fault_of(signature + std::string("\x21\x11\xFF\xFF", 4)).find("a header of more") == 0);
  CHECK(fault_of(v2(0x21, 0x12, four)).find("a transport") == 0);
  CHECK(fault_of(v2(0x21, 0x11, four.substr(1))).find("a header that is shorter") == 0);
  CHECK(fault_of(v2(0x21, 0x11, four + "\x02")).find("a TLV that is cut") == 0);
  CHECK(fault_of(v2(0x21, 0x11, four + std::string("\x02\x00\x05name", 7))).find("a TLV that is longer") ==
        0);
  CHECK(fault_of(v2(0x21, 0x11, four + tlv(0x02, std::string(256, 'a')))).find("an authority") == 0);
  CHECK(fault_of(v2(0x21, 0x11, four + tlv(0x03, "123"))).find("a checksum") == 0);
}
