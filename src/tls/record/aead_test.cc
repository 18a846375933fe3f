#include "tls/record/aead.h"

#include <sys/uio.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "doctest/doctest.h"

namespace kferry::tls {
namespace {

Bytes from_hex(std::string_view hex) {
  Bytes made;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    made.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return made;
}

struct Vector {
  const char* name;
  RecordCipher cipher;
  std::string_view key, nonce, additional, plain, sealed;
};

// The GCM specification's test cases 4 and 16 (McGrew and Viega, appendix B); RFC 8439 §2.8.2.
constexpr Vector vectors[] = {
    {"AES-128-GCM", RecordCipher::aes_128_gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5"
     "aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b3"
     "9"
     "6a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
    {"AES-256-GCM", RecordCipher::aes_256_gcm,
     "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5"
     "aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "3"
     "93ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
    {"ChaCha20-Poly1305", RecordCipher::chacha20_poly1305,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c6"
     "4"
     "206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776"
     "f"
     "756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0"
     "a"
     "9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9"
     "d"
     "e576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
};

TrafficKey key_of(RecordCipher cipher, std::span<const std::byte> bytes) {
  TrafficKey key;
  key.cipher = cipher;
  std::ranges::copy(bytes, key.key.begin());
  return key;
}

Aead::Nonce nonce_of(std::span<const std::byte> bytes) {
  Aead::Nonce nonce{};
  std::ranges::copy(bytes, nonce.begin());
  return nonce;
}

// Copies bytes into separate allocations, so that reading past the end of one is detected.
class Runs {
 public:
  Runs(std::span<const std::byte> all, const std::vector<std::size_t>& sizes) {
    for (const std::size_t wanted : sizes) cut(all, wanted);
    cut(all, all.size());
  }
  Gather gather() { return Gather(pieces_, size_); }

 private:
  void cut(std::span<const std::byte>& rest, std::size_t wanted) {
    const auto run = rest.first(std::min(rest.size(), wanted));
    runs_.push_back(std::make_unique<std::byte[]>(run.size()));
    std::ranges::copy(run, runs_.back().get());
    pieces_.push_back({runs_.back().get(), run.size()});
    size_ += run.size();
    rest = rest.subspan(run.size());
  }

  std::vector<std::unique_ptr<std::byte[]>> runs_;
  std::vector<iovec> pieces_;
  std::size_t size_ = 0;
};

TEST_CASE("the specifications' vectors pass, whole and under every split in two") {
  for (const Vector& vector : vectors) {
    CAPTURE(vector.name);
    const Bytes plain = from_hex(vector.plain), sealed = from_hex(vector.sealed);
    const Bytes additional = from_hex(vector.additional);
    const Aead::Nonce nonce = nonce_of(from_hex(vector.nonce));
    Aead aead(key_of(vector.cipher, from_hex(vector.key)));
    for (std::size_t at = 0; at <= sealed.size(); ++at) {
      CAPTURE(at);
      Bytes made(sealed.size());
      Runs content(plain, {std::min(at, plain.size())});
      Gather from = content.gather();
      aead.seal(nonce, additional, from, plain.size(), {}, made);
      CHECK(from.size() == 0);
      CHECK(made == sealed);
      Bytes opened(plain.size());
      Runs record(sealed, {at});
      Gather cipher = record.gather();
      CHECK(aead.open(nonce, additional, cipher, opened));
      CHECK(cipher.size() == 0);
      CHECK(opened == plain);
    }
  }
}

TEST_CASE("content in pieces gives the same result as in one run, whatever the sizes") {
  std::mt19937 random(1);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  const std::vector<std::size_t> sizes{0,    1,    15,   16,   17,    127,   128,   129,  2047,
                                       2048, 2049, 4096, 5000, 16383, 16384, 16385, 40000};
  for (const Vector& vector : vectors) {
    CAPTURE(vector.name);
    Aead aead(key_of(vector.cipher, from_hex(vector.key)));
    const Aead::Nonce nonce = nonce_of(from_hex(vector.nonce));
    const Bytes last{std::byte{23}};
    for (const std::size_t size : sizes) {
      CAPTURE(size);
      Bytes plain(size + 1);
      for (std::byte& byte : plain) byte = static_cast<std::byte>(random());
      plain.back() = last[0];
      const Bytes additional(below(30), std::byte{7});
      // wolfCrypt's single call makes the expected result, in place, as open() also works.
      Bytes whole(size + 1 + Aead::tag_size);
      for (int round = 0; round < 40; ++round) {
        std::vector<std::size_t> cuts;
        for (std::size_t i = below(8); i > 0; --i)
          cuts.push_back(below(below(2) == 0 ? 40 : 1 + plain.size()));
        Runs content(plain, cuts);
        Bytes made(whole.size());
        Gather from = content.gather();
        aead.seal(nonce, additional, from, size, last, made);
        CHECK(from.size() == 1);
        if (round == 0) {
          whole = made;
          Gather one(whole);
          const auto in_place = std::span(whole).first(size + 1);
          REQUIRE(aead.open(nonce, additional, one, in_place));
          REQUIRE(std::ranges::equal(in_place, plain));
          whole = made;
        }
        CHECK(made == whole);
        Runs record(whole, cuts);
        Gather cipher = record.gather();
        Bytes opened(plain.size());
        CHECK(aead.open(nonce, additional, cipher, opened));
        CHECK(opened == plain);
        // With one byte changed it is refused, however it is split.
        Bytes bad = whole;
        bad[below(bad.size())] ^= std::byte{1};
        Runs forged(bad, cuts);
        Gather lie = forged.gather();
        CHECK_FALSE(aead.open(nonce, additional, lie, opened));
        CHECK(lie.size() == 0);
      }
    }
  }
}

}  // namespace
}  // namespace kferry::tls
