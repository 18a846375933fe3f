// The engine against OpenSSL's own tools: versions, ciphers, curves, client certificates, resumption, server names.
#include <doctest/doctest.h>

#include <string>

#include "tls/cipher_names.h"
#include "tls/openssl_peer_test.h"

namespace kferry::tls {
namespace {

TEST_CASE("openssl s_client works with every offered version and cipher") {
  for (const Identity* identity : {&certificates().ec, &certificates().rsa}) {
    ServerSettings settings = serving(*identity);
    for (const CipherName& cipher : cipher_names()) {
      settings.offer.ciphers.append(cipher.openssl).append(":");
    }
    const auto context = server_context(settings);
    for (const CipherName& cipher : cipher_names()) {
      const bool tls_1_3 = cipher.openssl.starts_with("TLS_");
      if (!tls_1_3 &&
          (cipher.openssl.find("RSA") != std::string_view::npos) != (identity == &certificates().rsa))
        continue;
      CAPTURE(cipher.openssl);
      const std::string name(cipher.openssl);
      const Served served =
          serve_s_client(always(context), tls_1_3 ? "-tls1_3 -ciphersuites " + name
                                                  : "-tls1_2 -cipher " + name + ":@SECLEVEL=0");
      CAPTURE(served.openssl);
      CHECK(served.engine->state() == State::ended);
      CHECK(served.engine->negotiated().cipher == name);
      CHECK(served.plain == "from openssl\n");
      CHECK(served.openssl.find("from kferry") != std::string::npos);
      CHECK(served.openssl.find("Verify return code: 0 (ok)") != std::string::npos);
    }
  }
}

TEST_CASE("openssl s_client works with every offered curve") {
  const auto context = server_context(serving(certificates().ec));
  for (const CurveName& curve : curve_names()) {
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
      CAPTURE(curve.openssl);
      CAPTURE(version);
      // The certificate's own curve must be among them in TLS 1.2.
      const std::string also = version == "-tls1_2" && curve.group != 23 ? ":P-256" : "";
      const Served served =
          serve_s_client(always(context), version + " -groups " + std::string(curve.openssl) + also);
      CAPTURE(served.openssl);
      CHECK(served.engine->state() == State::ended);
      CHECK(served.plain == "from openssl\n");
    }
  }
}

TEST_CASE("openssl s_client works with its defaults and with a name, and is refused with an unknown one") {
  const auto context = server_context(serving(certificates().ec));
  const Engine::Choose choose = [&](std::string_view name) {
    return name == "b0.example" ? context : nullptr;
  };
  CHECK(serve_s_client(choose, "-servername b0.example").engine->state() == State::ended);
  const Served served = serve_s_client(choose, "-servername b9.example");
  CHECK(served.engine->failure().cause == "server_name_unknown");
  CHECK(served.openssl.find("unrecognized name") != std::string::npos);
}

TEST_CASE("openssl s_client with TLS 1.1 is refused, and the message says why") {
  const auto context = server_context(serving(certificates().ec));
  const Served served = serve_s_client(always(context), "-tls1_1 -cipher DEFAULT:@SECLEVEL=0");
  CHECK(served.engine->failure().cause == "no_common_version");
  CHECK(served.engine->failure().text.find("at most TLS 1.1") != std::string::npos);
}

TEST_CASE("openssl s_client works with a required client certificate, and fails without one") {
  const auto& all = certificates();
  ServerSettings settings = serving(all.ec);
  settings.client_auth = ClientAuth::require;
  settings.client_cas = {all.authority.certificate()};
  const auto context = server_context(settings);
  const auto& folder = all.authority.folder();
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Served good = serve_s_client(
        always(context), version + " -cert " + (folder / "client.crt") + " -key " + (folder / "client.key"));
    CHECK(good.engine->state() == State::ended);
    CHECK(good.engine->peer_subject() == "CN=app-1,OU=Apps,O=Example");
    const Served none = serve_s_client(always(context), version);
    CHECK(none.engine->failure().cause == "client_certificate_missing");
  }
}

TEST_CASE("openssl s_client resumes with a ticket") {
  const auto keys = std::make_shared<TicketKeys>(Instant{});
  const auto context = server_context(serving(certificates().ec), keys);
  const Folder folder;
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Served first = serve_s_client(always(context), version + " -sess_out " + (folder / "session"));
    CHECK_FALSE(first.engine->negotiated().resumed);
    const Served second = serve_s_client(always(context), version + " -sess_in " + (folder / "session"));
    CAPTURE(second.openssl);
    CHECK(second.engine->negotiated().resumed);
    CHECK(second.plain == "from openssl\n");
    CHECK(second.openssl.find("Reused, TLS") != std::string::npos);
    // Without the keys, the same ticket leads to a full handshake, not to a failure.
    const auto forgetful =
        server_context(serving(certificates().ec), std::make_shared<TicketKeys>(Instant{}));
    const Served third = serve_s_client(always(forgetful), version + " -sess_in " + (folder / "session"));
    CAPTURE(third.openssl);
    CHECK_FALSE(third.engine->negotiated().resumed);
    CHECK(third.plain == "from openssl\n");
  }
}

TEST_CASE("openssl s_client can change its keys, and ask for a change of ours") {
  std::uint16_t port = 0;
  const Fd listener(listen_anywhere(port));
  Process client("s_client -tls1_3 -connect 127.0.0.1:" + std::to_string(port));
  const Fd socket(accept4(listener.number, nullptr, nullptr, SOCK_CLOEXEC));
  ServerSettings settings = serving(certificates().ec);
  settings.records_per_key = 2;
  const auto engine = Engine::server(always(server_context(settings)));
  std::string plain;
  pump(socket.number, *engine, plain, [&] { return engine->state() == State::open; });
  REQUIRE(client.waits_for("Verify return code"));
  REQUIRE(engine->records() != nullptr);
  const TrafficKeys before = engine->records()->keys();
  client.say("K\n");  // an s_client command: send a KeyUpdate that requests another
  REQUIRE(client.waits_for("KEYUPDATE"));
  client.say("after\n");
  pump(socket.number, *engine, plain, [&] { return plain.find("after") != std::string::npos; });
  CHECK(plain == "after\n");
  const TrafficKeys after = engine->records()->keys();
  CHECK(after.receive.key != before.receive.key);
  CHECK(after.send.key != before.send.key);
  CHECK(after.send.rec_seq == std::array<std::byte, 8>{});
  say(socket.number, *engine, "with new keys\n");
  CHECK(client.waits_for("with new keys"));
  // This engine renews its own key after every second record.
  for (int i = 0; i < 7; ++i) {
    const std::string word = "word " + std::to_string(i) + "\n";
    say(socket.number, *engine, word);
    CHECK(client.waits_for(word));
  }
  CHECK(engine->records()->keys().send.key != after.send.key);
  client.say("still here\n");
  pump(socket.number, *engine, plain, [&] { return plain.find("still here") != std::string::npos; });
  CHECK(engine->state() == State::open);
}

TEST_CASE("openssl s_server works with both versions and a client certificate, and resumes its session") {
  const auto& all = certificates();
  const auto& folder = all.authority.folder();
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    for (const std::string kind : {"ec", "rsa"}) {
      CAPTURE(version);
      CAPTURE(kind);
      const std::uint16_t port = free_port();
      Process server("s_server " + version + " -accept 127.0.0.1:" + std::to_string(port) + " -cert " +
                     (folder / (kind + ".crt")) + " -key " + (folder / (kind + ".key")) + " -CAfile " +
                     (folder / "ca.crt") + " -Verify 3 -verify_return_error");
      REQUIRE(server.waits_for("ACCEPT"));
      const auto context = client_context({.identity = all.client});
      const Dialled first = dial_s_server(port, context, server);
      CHECK(first.engine->state() == State::open);
      CHECK(first.plain == "from openssl\n");
      CHECK_FALSE(first.engine->negotiated().resumed);
      const bool tls_1_3 = version == "-tls1_3";
      CHECK(context->sessions()->size() == (tls_1_3 ? 1 : 0));
      const Dialled second = dial_s_server(port, context, server);
      CHECK(second.plain == "from openssl\n");
      CHECK(second.engine->negotiated().resumed == tls_1_3);
      CHECK(dial_s_server(port, context, server, "elsewhere.example").engine->failure().cause ==
            "certificate_not_allowed");
    }
  }
}

}  // namespace
}  // namespace kferry::tls
