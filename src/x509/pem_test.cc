#include "x509/pem.h"

#include <doctest/doctest.h>

#include <string>

namespace kferry::x509 {
namespace {

const std::string one = "-----BEGIN ONE-----\nAQID\n-----END ONE-----\n";
const std::string two = "-----BEGIN TWO-----\nBAUG\n-----END TWO-----\n";

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte one_byte : bytes) text += std::to_string(std::to_integer<int>(one_byte)) + " ";
  return text;
}

// "LABEL@LINE: bytes", one line per block; "!" if the block is not well formed.
std::string read(std::string_view text) {
  std::string out;
  for (const PemBlock& block : read_pem(text)) {
    out += std::string(block.label) + "@" + std::to_string(block.line) + ": " +
           (block.well_formed ? hex(block.bytes) : "!") + "\n";
  }
  return out;
}

TEST_CASE("blocks are found, whatever surrounds them") {
  CHECK(read(one + two) == "ONE@1: 1 2 3 \nTWO@4: 4 5 6 \n");
  CHECK(read("\xEF\xBB\xBFwords\n\n" + one) == "ONE@3: 1 2 3 \n");
  CHECK(read("-----BEGIN ONE-----\r\n  AQ\tI \r\n\r\nD\r\n-----END ONE-----\r\n" + two) ==
        "ONE@1: 1 2 3 \nTWO@6: 4 5 6 \n");
  CHECK(read("\r\r-----BEGIN ONE-----\rAQID\r-----END ONE-----") == "ONE@3: 1 2 3 \n");
  CHECK(read("-----BEGIN ONE----- AQID -----END ONE----- " + two) == "ONE@1: 1 2 3 \nTWO@1: 4 5 6 \n");
  CHECK(read("") == "");
  CHECK(read("-----BEGIN \n-----") == "");
}

TEST_CASE("a damaged block does not hide the next one") {
  for (const std::string bad :
       {"-----BEGIN ONE-----\nAQID\n", "-----BEGIN ONE-----\nAQI\n-----END ONE-----\n",
        "-----BEGIN ONE-----\nAQ!D\n-----END ONE-----\n", "-----BEGIN ONE-----\nAQID\n-----END TWO-----\n",
        "-----BEGIN ONE-----\n=AQI\n-----END ONE-----\n", "-----BEGIN ONE-----\n-----END ONE-----\n"}) {
    CAPTURE(bad);
    const std::string found = read(bad + two);
    CHECK(found.starts_with("ONE@1: !\n"));
    CHECK(found.ends_with(": 4 5 6 \n"));
  }
}

TEST_CASE("headers end where base64 begins") {
  const std::string headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF";
  for (const std::string gap : {"\n\n", "\n", "\n \n"}) {
    const std::string text = "-----BEGIN K-----\n" + headers + gap + "AQID\n-----END K-----\n";
    const auto blocks = read_pem(text);
    REQUIRE(blocks.size() == 1);
    CHECK(blocks[0].headers == "\n" + headers);
    CHECK(hex(blocks[0].bytes) == "1 2 3 ");
  }
}

TEST_CASE("many BEGIN lines without an END do not take long") {
  std::string text;
  while (text.size() < (1 << 22)) text += "-----BEGIN X-----";
  CHECK(read_pem(text).size() == text.size() / 17);
  text.clear();
  while (text.size() < (1 << 22)) text += "-----BEGIN ";
  CHECK(read_pem(text).empty());
}

TEST_CASE("a written block reads back") {
  const Bytes bytes(100, std::byte{0xFF});
  const std::string text = write_pem("X", bytes);
  const auto blocks = read_pem(text);
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].bytes == bytes);
}

}  // namespace
}  // namespace kferry::x509
