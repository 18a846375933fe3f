// Two connected engines for tests, with a choice of how finely the bytes between them are split.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tls/engine.h"
#include "x509/authority_test.h"

namespace kferry::tls {

using x509::Authority;
using x509::certificates;
using x509::Folder;
using x509::Wish;

inline std::shared_ptr<const ServerContext> server_context(ServerSettings settings,
                                                           std::shared_ptr<TicketKeys> keys = nullptr) {
  auto made = ServerContext::make(settings, std::move(keys));
  if (!made) FAIL(made.error().text);
  return *made;
}

inline std::shared_ptr<const ClientContext> client_context(ClientSettings settings) {
  if (settings.cas.empty()) settings.cas.push_back(certificates().authority.certificate());
  auto made = ClientContext::make(settings);
  if (!made) FAIL(made.error().text);
  return *made;
}

inline Engine::Choose always(std::shared_ptr<const ServerContext> context) {
  return [context](std::string_view) { return context; };
}

// The two ends of a connection, and how finely the bytes between them are split.
struct Pair {
  std::unique_ptr<Engine> server;
  std::unique_ptr<Engine> client;
  std::size_t cut = 1 << 20;
  std::size_t room = 1 << 15;
  std::string at_server;
  std::string at_client;

  // Moves everything that waits, in one direction. True if something moved.
  bool carry(Engine& from, Engine& to, std::string& plain) const {
    bool moved = false;
    while (!from.to_send().empty() || to.has_plain()) {
      const auto all = from.to_send();
      const auto part = all.first(std::min(all.size(), cut));
      Bytes into(room);
      const auto fed = to.feed(part, into);
      plain.append(reinterpret_cast<const char*>(into.data()), fed.made);
      from.sent(fed.taken);
      moved = moved || fed.taken > 0 || fed.made > 0;
      if (fed.taken == 0 && fed.made == 0) break;
    }
    return moved;
  }

  void run() {
    for (bool moved = true; moved;) {
      moved = carry(*client, *server, at_server);
      moved = carry(*server, *client, at_client) || moved;
    }
  }

  // Encrypts all of `text` at `from`, and feeds it to the other end.
  void say(Engine& from, std::string_view text) {
    auto rest = bytes_of(text);
    Engine& to = &from == client.get() ? *server : *client;
    std::string& plain = &from == client.get() ? at_server : at_client;
    while (!rest.empty()) {
      Bytes cipher(20'000);
      const auto wrote = from.write(rest, cipher);
      REQUIRE(wrote.taken + wrote.made > 0);
      rest = rest.subspan(wrote.taken);
      auto way = std::span<const std::byte>(cipher).first(wrote.made);
      while (!way.empty() || to.has_plain()) {
        Bytes into(room);
        const auto fed = to.feed(way.first(std::min(way.size(), cut)), into);
        plain.append(reinterpret_cast<const char*>(into.data()), fed.made);
        way = way.subspan(fed.taken);
        REQUIRE(fed.taken + fed.made > 0);
      }
    }
  }
};

inline Pair pair_of(const ServerSettings& server, const ClientSettings& client = {},
                    const std::string& host = "localhost") {
  Pair pair;
  pair.server = Engine::server(always(server_context(server)));
  pair.client = Engine::client(client_context(client), host, 9092);
  return pair;
}

inline ServerSettings serving(const Identity& identity) {
  ServerSettings settings;
  settings.identity = identity;
  return settings;
}

}  // namespace kferry::tls
