#include "config/same_upstream.h"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

namespace kferry::config {
namespace {

Store store() {
  return {.where = "a:1", .path = "/a", .text = "t", .password = Password{"p", "/p"}, .password_name = "n"};
}

Upstream upstream() {
  Upstream made;
  made.bootstrap_servers = {{"kafka1", 9092}, {"kafka2", 9092}};
  made.security_protocol = SecurityProtocol::sasl_ssl;
  made.sasl = SaslCredentials{"PLAIN", "alice", "secret"};
  made.tls = UpstreamTls{};
  made.tls->authorities = store();
  made.tls->revocations = store();
  made.tls->identity = Identity{};
  made.tls->identity->certificates = store();
  return made;
}

}  // namespace

TEST_CASE("an upstream is the same wherever a file names it") {
  Upstream other = upstream();
  other.tls->authorities->where = "b:7";
  other.tls->identity->key_password_name = "another name";
  other.tls->offer.ciphers.where = "b:8";
  CHECK(same_upstream(upstream(), other));
}

TEST_CASE("each change of an upstream makes it another") {
  const std::vector<std::function<void(Upstream&)>> changes{
      [](Upstream& one) { one.bootstrap_servers.pop_back(); },
      [](Upstream& one) { one.security_protocol = SecurityProtocol::ssl; },
      [](Upstream& one) { one.sasl->username = "bob"; },
      [](Upstream& one) { one.sasl->password = "another"; },
      [](Upstream& one) { one.sasl.reset(); },
      [](Upstream& one) { one.tls.reset(); },
      [](Upstream& one) { one.tls->authorities->path = "/b"; },
      [](Upstream& one) { one.tls->authorities->password.reset(); },
      [](Upstream& one) { one.tls->revocations.reset(); },
      [](Upstream& one) { one.tls->identity->certificates.text = "u"; },
      [](Upstream& one) { one.tls->identity->key = store(); },
      [](Upstream& one) { one.tls->identity->key_alias = "alias"; },
      [](Upstream& one) { one.tls->offer.ciphers.text = "TLS_AES_128_GCM_SHA256"; },
      [](Upstream& one) { one.tls->verify_host_name = false; },
      [](Upstream& one) { one.on_cluster_change = OnClusterChange::refuse; },
      [](Upstream& one) { one.dial_budget_ms = 1; },
      [](Upstream& one) { one.lend_identity = true; },
  };
  for (const auto& change : changes) {
    Upstream other = upstream();
    change(other);
    CHECK_FALSE(same_upstream(upstream(), other));
    CHECK_FALSE(same_upstream(other, upstream()));
  }
}

}  // namespace kferry::config
