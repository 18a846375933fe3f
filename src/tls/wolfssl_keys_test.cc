#include "tls/wolfssl_keys.h"

#include <doctest/doctest.h>
#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tls/engine_pair_test.h"
#include "tls/record/traffic_key.h"

namespace kferry::tls {
namespace {

const unsigned char* in(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Decrypts one record like the kernel (net/tls/tls_sw.c), with only the key; "" if it does not verify.
std::string decrypt(TrafficKey& key, std::span<const std::byte> record) {
  const bool tls_1_3 = key.version == Version::tls_1_3;
  const bool chacha = key.cipher == RecordCipher::chacha20_poly1305;
  const auto header = record.first(5);
  auto body = record.subspan(5);
  std::vector<std::byte> nonce;
  if (!chacha) nonce.assign(key.salt.begin(), key.salt.end());
  if (tls_1_3 || chacha) {
    nonce.insert(nonce.end(), key.iv.begin(), key.iv.begin() + (chacha ? 12 : 8));
    for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] ^= key.rec_seq[i];
  } else {
    nonce.insert(nonce.end(), body.begin(), body.begin() + 8);
    body = body.subspan(8);
  }
  const auto sealed = body.first(body.size() - 16);
  const auto tag = body.last(16);
  std::vector<std::byte> aad(header.begin(), header.end());
  if (!tls_1_3) {
    aad.assign(key.rec_seq.begin(), key.rec_seq.end());
    aad.insert(aad.end(), header.begin(), header.begin() + 3);
    aad.push_back(static_cast<std::byte>(sealed.size() >> 8));
    aad.push_back(static_cast<std::byte>(sealed.size()));
  }
  std::string plain(sealed.size(), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(plain.data());
  int result = 0;
  if (chacha) {
    result = wc_ChaCha20Poly1305_Decrypt(in(key.key), in(nonce), in(aad), static_cast<word32>(aad.size()),
                                         in(sealed), static_cast<word32>(sealed.size()), in(tag), out);
  } else {
    Aes aes;
    wc_AesInit(&aes, nullptr, INVALID_DEVID);
    wc_AesGcmSetKey(&aes, in(key.key), static_cast<word32>(key.key_size()));
    result = wc_AesGcmDecrypt(&aes, out, in(sealed), static_cast<word32>(sealed.size()), in(nonce), 12,
                              in(tag), 16, in(aad), static_cast<word32>(aad.size()));
    wc_AesFree(&aes);
  }
  for (std::size_t i = 8; i-- > 0;) {
    if (++reinterpret_cast<unsigned char&>(key.rec_seq[i]) != 0) break;
  }
  if (result != 0) return "";
  if (tls_1_3) plain.pop_back();  // the inner content type
  return plain;
}

TEST_CASE("the exported keys decrypt the next records of the other side") {
  for (const std::string cipher :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    CAPTURE(cipher);
    ServerSettings settings = serving(certificates().ec);
    settings.offer.ciphers = cipher;
    if (!cipher.starts_with("TLS_")) settings.offer.highest = Version::tls_1_2;
    // With tickets, TLS 1.3 has one more record under the traffic key.
    Pair pair;
    pair.server = Engine::server(always(server_context(settings, std::make_shared<TicketKeys>(Instant{}))));
    pair.client = Engine::client(client_context({}), "localhost", 1);
    pair.run();
    // The client keeps wolfSSL's state for the tickets, until data arrives.
    CHECK((pair.client->records() == nullptr) == cipher.starts_with("TLS_"));
    pair.say(*pair.server, "first");
    for (int words = 0; words < 3; ++words) {
      CHECK(pair.client->record_rest() == 0);
      for (Engine* from : {pair.server.get(), pair.client.get()}) {
        Engine& to = from == pair.server.get() ? *pair.client : *pair.server;
        REQUIRE(from->records() != nullptr);
        REQUIRE(to.records() != nullptr);
        const TrafficKeys sending = from->records()->keys();
        TrafficKeys receiving = to.records()->keys();
        CHECK(sending.send.key == receiving.receive.key);
        CHECK(sending.send.rec_seq == receiving.receive.rec_seq);
        CHECK(sending.send.salt == receiving.receive.salt);
        CHECK(sending.send.key != sending.receive.key);
        Bytes record(1000), room(1000);
        const auto wrote = from->write(bytes_of("a record"), record);
        CHECK(decrypt(receiving.receive, std::span(record).first(wrote.made)) == "a record");
        if (sending.send.version == Version::tls_1_2 &&
            sending.send.cipher != RecordCipher::chacha20_poly1305) {
          // The exported iv is the explicit nonce of the next record.
          CHECK(std::equal(record.begin() + 5, record.begin() + 13, sending.send.iv.begin()));
        }
        CHECK(to.feed(std::span(record).first(wrote.made), room).made == 8);
      }
    }
    // The server has sent Finished (TLS 1.2) or the ticket (TLS 1.3), then four records of data. The client has sent
    // Finished (TLS 1.2) and three.
    const TrafficKeys after = pair.server->records()->keys();
    CHECK(after.send.rec_seq[7] == std::byte{5});
    CHECK(after.receive.rec_seq[7] ==
          std::byte{cipher.starts_with("TLS_") ? std::uint8_t{3} : std::uint8_t{4}});
  }
}

TEST_CASE("CBC suites stay with wolfSSL") {
  ServerSettings settings = serving(certificates().ec);
  settings.offer.ciphers = "ECDHE-ECDSA-AES128-SHA256";
  ClientSettings client;
  client.offer.ciphers = settings.offer.ciphers;
  Pair pair = pair_of(settings, client);
  pair.run();
  CHECK(pair.server->state() == Engine::State::open);
  pair.say(*pair.server, "words");
  pair.say(*pair.client, "and answers");
  CHECK(pair.at_client == "words");
  CHECK(pair.at_server == "and answers");
  CHECK(pair.server->records() == nullptr);
  CHECK(pair.client->records() == nullptr);
}

TEST_CASE("record_rest() is right for every split of a record") {
  Pair pair = pair_of(serving(certificates().ec));
  pair.run();
  Bytes record(1000), room(1000);
  const std::size_t size = pair.client->write(bytes_of("some words"), record).made;
  for (std::size_t at = 0; at < size; ++at) {
    CHECK(pair.server->record_rest() == (at == 0 ? 0 : at < 5 ? 5 - at : size - at));
    pair.server->feed(std::span(record).subspan(at, 1), room);
  }
  CHECK(pair.server->record_rest() == 0);
}

}  // namespace
}  // namespace kferry::tls
