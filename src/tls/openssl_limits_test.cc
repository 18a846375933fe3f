// OpenSSL sends keys, certificates and handshake messages of every size and kind that it accepts itself. If kferry
// accepts less, it sends an alert.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tls/openssl_peer_test.h"
#include "x509/key_maker_test.h"
#include "x509/maker_test.h"

namespace kferry::tls {
namespace {

using namespace x509;

const std::string versions[] = {"-tls1_2", "-tls1_3"};

const Made& root() {
  static const Made made = make_authority("Root");
  return made;
}

// The identity of OpenSSL, and what kferry trusts.
struct Peer {
  Made leaf;
  std::vector<Bytes> rest{};
  Bytes trusted = root().der;
};

// The options for openssl, with files in the folder.
std::string options_for(const Peer& peer, const Folder& folder) {
  std::string chain;
  for (const Bytes& one : peer.rest) chain += write_pem("CERTIFICATE", one);
  folder.write("leaf.pem", write_pem("CERTIFICATE", peer.leaf.der));
  folder.write("leaf.key", pem_of(peer.leaf.key.get()));
  folder.write("chain.pem", chain);
  return " -cert " + (folder / "leaf.pem") + " -key " + (folder / "leaf.key") +
         (chain.empty() ? "" : " -cert_chain " + (folder / "chain.pem"));
}

struct Came {
  std::string text;     // why it failed; empty if it is open
  std::string openssl;  // the output of the other side
};

Came dial(const Peer& peer, const std::string& version, const std::string& more = "") {
  const Folder folder;
  const std::uint16_t port = free_port();
  Process server("s_server " + version + " -accept 127.0.0.1:" + std::to_string(port) +
                 options_for(peer, folder) + " -cipher ALL:@SECLEVEL=0 " + more);
  REQUIRE(server.waits_for("ACCEPT"));
  ClientSettings settings;
  settings.cas = {peer.trusted};
  settings.identity = certificates().client;
  const Dialled dialled = dial_s_server(port, client_context(settings), server);
  if (dialled.engine->state() == State::open) {
    CHECK(dialled.plain == "from openssl\n");
    return {};
  }
  server.waits_for("error:");
  return {dialled.engine->failure().text, server.said()};
}

Came serve(const Peer& peer, const std::string& version, const std::string& more = "") {
  const Folder folder;
  ServerSettings settings = serving(certificates().ec);
  settings.client_auth = ClientAuth::require;
  settings.client_cas = {peer.trusted};
  const Served served =
      serve_s_client(always(server_context(settings)),
                     version + options_for(peer, folder) + " -cipher ALL:@SECLEVEL=0 " + more);
  if (served.plain == "from openssl\n") return {};
  return {served.engine->failure().text, served.openssl};
}

// Expects success, or a refusal with these words and an alert, on both sides and in both versions.
void expect(const Peer& peer, const std::string& words = "") {
  for (const std::string& version : versions) {
    for (const bool broker : {true, false}) {
      CAPTURE(version);
      CAPTURE(broker);
      const Came came = broker ? dial(peer, version) : serve(peer, version);
      CAPTURE(came.text);
      CAPTURE(came.openssl);
      CHECK(came.text.empty() == words.empty());
      CHECK(came.text.find(words) != std::string::npos);
      if (!words.empty()) CHECK(came.openssl.find("alert") != std::string::npos);
    }
  }
}

Made leaf_with(const KeyPtr& key, Wanted wanted = {}) {
  wanted.key = key.get();
  return make_leaf("localhost", &root(), std::move(wanted));
}

TEST_CASE("openssl works with RSA keys of 8192 bits and RSASSA-PSS keys, in leaf and issuer") {
  for (const bool pss : {false, true}) {
    CAPTURE(pss);
    const KeyPtr key = pss ? make_key_of_type("RSA-PSS", 3072) : make_rsa_key(8192);
    Wanted wanted;
    wanted.key = key.get();
    const Made issuer = make_authority("Issuer", &root(), std::move(wanted));
    wanted = {};
    wanted.key = key.get();
    expect({make_leaf("localhost", &issuer, std::move(wanted)), {issuer.der}});
  }
}

TEST_CASE("a longer key of openssl is refused") {
  expect({leaf_with(make_rsa_key(16'384))}, "has a key of 16384 bits: at most 8192 are taken");
}

// wolfSSL cannot check signatures by these keys, and cannot read most of their certificates.
TEST_CASE("openssl works with an issuer whose key only libcrypto supports") {
  for (const std::string kind : {"brainpoolP256r1", "secp256k1", "P-224", "RSA of 16384 bits"}) {
    CAPTURE(kind);
    const KeyPtr key = kind.starts_with("RSA") ? make_rsa_key(16'384) : make_key(kind.c_str());
    Wanted wanted;
    wanted.key = key.get();
    const Made issuer = make_authority("Issuer", &root(), std::move(wanted));
    wanted = {};
    expect({make_leaf("localhost", &issuer, std::move(wanted)), {issuer.der}});
  }
}

TEST_CASE("openssl works with a certificate of 600 names, and with a chain of 16") {
  std::string names = "DNS:localhost";
  for (int i = 0; i < 600; ++i) names += ",DNS:broker-" + std::to_string(i) + ".kafka.internal.example";
  std::vector<Made> all;
  all.push_back(make_authority("CA 0", &root()));
  for (int i = 1; i < 15; ++i) all.push_back(make_authority("CA " + std::to_string(i), &all.back()));
  Wanted wanted;
  wanted.extensions = std::vector<Extension>{{NID_subject_alt_name, names}};
  Peer peer{make_leaf("localhost", &all.back(), std::move(wanted))};
  for (std::size_t i = all.size(); i-- > 0;) peer.rest.push_back(all[i].der);
  CHECK(peer.leaf.der.size() > 18'000);
  expect(peer);
}

// The other way round: OpenSSL accepts kferry's keys and certificates.
TEST_CASE("openssl accepts our keys and certificates of every size and kind") {
  for (const std::string kind : {"RSA of 8192 bits", "RSA-PSS", "ED25519", "P-521", "P-256"}) {
    CAPTURE(kind);
    const KeyPtr key = kind == "RSA-PSS"          ? make_key_of_type("RSA-PSS", 2048)
                       : kind.starts_with("RSA ") ? make_rsa_key(8192)
                       : kind.starts_with("ED")   ? make_key_of_type(kind.c_str())
                                                  : make_key(kind.c_str());
    const Identity identity = leaf_with(key).identity({root().der});
    const Folder folder;
    folder.write("root.pem", write_pem("CERTIFICATE", root().der));
    for (const std::string& version : versions) {
      CAPTURE(version);
      const auto listener = server_context(serving(identity));
      const Served served = serve_s_client(
          always(listener), version + " -CAfile " + (folder / "root.pem") + " -verify_return_error");
      CAPTURE(served.engine->failure().text);
      CAPTURE(served.openssl);
      CHECK(served.plain == "from openssl\n");
      const std::uint16_t port = free_port();
      const auto& broker = certificates().authority.folder();
      Process server("s_server " + version + " -accept 127.0.0.1:" + std::to_string(port) + " -cert " +
                     (broker / "ec.crt") + " -key " + (broker / "ec.key") + " -CAfile " +
                     (folder / "root.pem") + " -Verify 3 -verify_return_error");
      REQUIRE(server.waits_for("ACCEPT"));
      const Dialled dialled = dial_s_server(port, client_context({.identity = identity}), server);
      CAPTURE(dialled.engine->failure().text);
      CHECK(dialled.plain == "from openssl\n");
    }
  }
}

TEST_CASE("openssl s_server may name 200 authorities") {
  const Folder folder;
  std::string all;
  for (int i = 0; i < 200; ++i) {
    Wanted wanted;
    wanted.subject = {
        {"C", "DE"},
        {"O", "Example Corporation for Very Long Names in Certificates"},
        {"CN", "Certification Authority number " + std::to_string(i) + " of the Example Corporation"}};
    wanted.extensions = authority_extensions();
    wanted.key = root().key.get();
    all += write_pem("CERTIFICATE", make(wanted).der);
  }
  folder.write("many.pem", all + write_pem("CERTIFICATE", certificates().authority.certificate()));
  for (const std::string& version : versions) {
    CAPTURE(version);
    const Came came = dial({make_leaf("localhost", &root())}, version,
                           "-Verify 3 -verify_return_error -CAfile " + (folder / "many.pem"));
    CHECK(came.text == "");
  }
}

TEST_CASE("openssl s_client may offer every suite that it has") {
  const auto context = server_context(serving(certificates().rsa));
  for (const std::string& version : versions) {
    CAPTURE(version);
    const Served served =
        serve_s_client(always(context), version + " -cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0");
    CHECK(served.plain == "from openssl\n");
  }
}

}  // namespace
}  // namespace kferry::tls
