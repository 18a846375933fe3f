#include "tls/digests.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace kferry::tls {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::string hex(const Digest& digest) {
  return hex(digest.bytes());
}

TEST_CASE("digests of FIPS 180-4's examples") {
  CHECK(hex(digest(Hash::sha256, bytes_of("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(digest(Hash::sha256, {})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(digest(Hash::sha512, bytes_of("abc"))) ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST_CASE("HMAC of RFC 4231, test cases 1, 2 and 6") {
  const std::string key_1(20, '\x0b');
  const std::string key_6(131, '\xaa');
  constexpr std::string_view message_2 = "what do ya want for nothing?";
  constexpr std::string_view message_6 = "Test Using Larger Than Block-Size Key - Hash Key First";
  CHECK(hex(hmac(Hash::sha256, bytes_of(key_1), bytes_of("Hi There"))) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex(hmac(Hash::sha256, bytes_of("Jefe"), bytes_of(message_2))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac(Hash::sha256, bytes_of(key_6), bytes_of(message_6))) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(hex(hmac(Hash::sha512, bytes_of(key_1), bytes_of("Hi There"))) ==
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
  CHECK(hex(hmac(Hash::sha512, bytes_of("Jefe"), bytes_of(message_2))) ==
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
  CHECK(hex(hmac(Hash::sha512, bytes_of(key_6), bytes_of(message_6))) ==
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

TEST_CASE("HMAC accepts an empty key and an empty message") {
  CHECK(hex(hmac(Hash::sha256, {}, {})) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("PBKDF2 with RFC 6070's inputs under SHA-256 and SHA-512") {
  const auto password = bytes_of("password");
  const auto salt = bytes_of("salt");
  CHECK(hex(pbkdf2(Hash::sha256, password, salt, 1)) ==
        "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
  CHECK(hex(pbkdf2(Hash::sha256, password, salt, 2)) ==
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
  CHECK(hex(pbkdf2(Hash::sha256, password, salt, 4096)) ==
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
  CHECK(hex(pbkdf2(Hash::sha256, {}, salt, 2)) ==
        "62384466264daadc4144018c6bd864648272b34da8980d31521ffcce92ae003b");
  CHECK(hex(pbkdf2(Hash::sha512, password, salt, 1)) ==
        "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
        "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce");
  CHECK(hex(pbkdf2(Hash::sha512, password, salt, 4096)) ==
        "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"
        "143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5");
}

TEST_CASE("base64 of RFC 4648's examples, both ways") {
  const std::vector<std::pair<std::string_view, std::string_view>> examples{{"", ""},
                                                                            {"f", "Zg=="},
                                                                            {"fo", "Zm8="},
                                                                            {"foo", "Zm9v"},
                                                                            {"foob", "Zm9vYg=="},
                                                                            {"fooba", "Zm9vYmE="},
                                                                            {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    CHECK(base64(bytes_of(plain)) == encoded);
    const auto parsed = parse_base64(encoded);
    REQUIRE(parsed.has_value());
    CHECK(hex(*parsed) == hex(bytes_of(plain)));
  }
}

TEST_CASE("base64 of every length round-trips") {
  std::vector<std::byte> bytes;
  for (unsigned size = 0; size < 300; ++size) {
    const std::string text = base64(bytes);
    CHECK(text.find('\n') == std::string::npos);
    const auto parsed = parse_base64(text);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == bytes);
    bytes.push_back(static_cast<std::byte>(size * 7));
  }
}

TEST_CASE("malformed base64 is refused") {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Z===", "====", "Zm9v\n", "Zm9\n", "Zm 9v",
                                      "Zm9vZg==Zm9v", "Zg=a", "Zm_-", "Zm9v\xff===", "=Zg="}) {
    CAPTURE(text);
    CHECK_FALSE(parse_base64(text).has_value());
  }
}

TEST_CASE("random bytes fill any length and differ from call to call") {
  std::set<std::string> seen;
  for (int i = 0; i < 64; ++i) {
    std::vector<std::byte> bytes(32);
    random_bytes(bytes);
    seen.insert(hex(bytes));
  }
  CHECK(seen.size() == 64);
  std::vector<std::byte> many(100'000);
  random_bytes(many);
  // If the last kilobyte were all zero, the tail would not have been filled.
  CHECK(std::any_of(many.end() - 1000, many.end(), [](std::byte byte) { return byte != std::byte{}; }));
}

TEST_CASE("the comparison covers every byte and the length") {
  const std::string a = "0123456789abcdef";
  CHECK(equal_constant_time(bytes_of(a), bytes_of(a)));
  CHECK(equal_constant_time({}, {}));
  CHECK_FALSE(equal_constant_time(bytes_of(a), bytes_of(a).first(15)));
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::string b = a;
    b[i] = static_cast<char>(b[i] ^ 1);
    CHECK_FALSE(equal_constant_time(bytes_of(a), bytes_of(b)));
  }
}

TEST_CASE("wipe leaves zeros") {
  std::array<std::byte, 40> bytes;
  bytes.fill(std::byte{0x5A});
  wipe(bytes);
  CHECK(std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{}; }));
  std::string text = "secret";
  wipe(text);
  CHECK(text.empty());
}

}  // namespace
}  // namespace kferry::tls
