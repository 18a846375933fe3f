#include "proxy/own_places.h"

#include <doctest/doctest.h>

#include <map>

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

config::Listener listener(const std::string& host, std::initializer_list<std::uint16_t> ports) {
  config::Listener made;
  made.advertised_host = host;
  for (const std::uint16_t port : ports) made.ports.push_back({port, 6969});
  return made;
}

config::Config two_clusters() {
  config::Config config;
  config.clusters.resize(2);
  config.clusters[0].listeners = {listener("Gateway.Example.", {7000, 7001}), listener("10.9.9.1", {8000})};
  config::Listener sni = listener("boot.k.example", {9092});
  sni.routing = config::Routing::sni;
  sni.sni = config::SniNames{"b-", ".k.example", "boot.k.example"};
  config.clusters[1].listeners = {sni, listener("fd00::2", {7000})};
  return config;
}

// Answers from a table when it is asked.
class Table final : public net::Resolver {
 public:
  void resolve(std::uint64_t request, const HostPort& where,
               std::shared_ptr<net::AnswerQueue> queue) override {
    ++asked;
    net::Answer answer{request, {}, {}, false, {}};
    const std::string& host = hosts.contains(where.host) ? hosts[where.host] : where.host;
    if (const auto literal = SocketAddress::parse(host, static_cast<std::uint16_t>(where.port)))
      answer.addresses.push_back(*literal);
    queue->push(std::move(answer));
  }
  void doubt(const std::string&) override {}

  std::map<std::string, std::string> hosts;
  int asked = 0;
};

TEST_CASE("places that clients are told of are kferry's own, in any spelling and for every cluster") {
  const AdvertisedPlaces places(two_clusters());
  for (const HostPort& own :
       {HostPort{"gateway.example", 7001}, HostPort{"GATEWAY.example.", 7000}, HostPort{"10.9.9.1", 8000},
        HostPort{"boot.k.example", 9092}, HostPort{"b-17.K.example", 9092}, HostPort{"[fd00:0::2]", 7000}}) {
    CAPTURE(to_string(own));
    CHECK(places.has(own));
  }
  for (const HostPort& other :
       {HostPort{"gateway.example", 8000}, HostPort{"10.9.9.1", 7000}, HostPort{"b-17.k.example", 9093},
        HostPort{"b-x.k.example", 9092}, HostPort{"kafka1.example", 7000}}) {
    CAPTURE(to_string(other));
    CHECK_FALSE(places.has(other));
  }
}

TEST_CASE("addresses that advertised hosts lead to are kferry's own, on the advertised ports only") {
  Table table;
  table.hosts["gateway.example"] = "192.0.2.7";
  auto advertised = std::make_shared<const AdvertisedPlaces>(two_clusters());
  OwnPlaces places(table, advertised);
  const auto has = [&](const char* host, std::uint16_t port, Instant now = {}) {
    return places.has(advertised, *SocketAddress::parse(host, port), now);
  };
  CHECK(has("192.0.2.7", 7000));
  CHECK(has("192.0.2.7", 7001));
  CHECK(has("::ffff:192.0.2.7", 7001));
  CHECK(has("10.9.9.1", 8000));
  CHECK(has("fd00::2", 7000));
  CHECK_FALSE(has("192.0.2.7", 8000));
  CHECK_FALSE(has("192.0.2.8", 7000));

  // DNS is asked anew, and a failure keeps the last answer.
  table.hosts["gateway.example"] = "192.0.2.8";
  CHECK_FALSE(has("192.0.2.8", 7000, Instant{} + seconds(6)));
  CHECK(has("192.0.2.8", 7000, Instant{} + seconds(7)));
  CHECK_FALSE(has("192.0.2.7", 7000, Instant{} + seconds(7)));
  const int asked = table.asked;
  table.hosts.clear();
  CHECK(has("192.0.2.8", 7000, Instant{} + seconds(8)));
  CHECK(table.asked == asked);
  CHECK(has("192.0.2.8", 7000, Instant{} + seconds(20)));
  CHECK(has("192.0.2.8", 7000, Instant{} + seconds(21)));
  CHECK(table.asked > asked);

  // Another plan has its own.
  config::Config other;
  other.clusters.resize(1);
  other.clusters[0].listeners = {listener("other.example", {7000})};
  table.hosts["other.example"] = "192.0.2.9";
  advertised = std::make_shared<const AdvertisedPlaces>(other);
  CHECK(has("192.0.2.9", 7000, Instant{} + seconds(22)));
  CHECK_FALSE(has("192.0.2.8", 7000, Instant{} + seconds(22)));
}

}  // namespace
}  // namespace kferry::proxy
