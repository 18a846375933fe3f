#include "operations/audit_line.h"

#include <doctest/doctest.h>

#include "operations/json_check_test.h"

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;
using Event = AuditRecord::Event;
using Outcome = AuditRecord::Outcome;

constexpr std::chrono::system_clock::time_point now{1795538280123ms};

AuditRecord plain_record(Event event) {
  AuditRecord record;
  record.event = event;
  record.session = SessionId{0xd1f5a2b3c4e697};
  record.cluster = "default";
  record.listener = "external";
  record.client = *SocketAddress::parse("10.0.0.1", 40'000);
  record.client_id = "app-1";
  record.software_name = "apache-kafka-java";
  record.software_version = "4.1.0";
  record.mechanism = "PLAIN";
  record.principal = "alice";
  record.outcome = Outcome::accepted;
  record.broker = 2;
  record.broker_address = "b2.internal:9092";
  return record;
}

// Strings are strict, and brackets match; tests/cli/test_audit.py reads records with a real parser.
bool is_nested(std::string_view text) {
  std::string open;
  while (!text.empty()) {
    const char c = text.front();
    if (c == '"') {
      if (!take_json_string(text)) return false;
      continue;
    }
    if (c == '{' || c == '[') open += c == '{' ? '}' : ']';
    if (c == '}' || c == ']') {
      if (open.empty() || open.back() != c) return false;
      open.pop_back();
    }
    if (static_cast<unsigned char>(c) < ' ') return false;
    text.remove_prefix(1);
  }
  return open.empty();
}

std::string line_of(const AuditRecord& record, AuditFormat format = AuditFormat::json) {
  const std::string line = audit_line(record, now, format);
  CHECK(line.size() <= audit_line_size_max);
  REQUIRE(line.ends_with("\n"));
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(is_nested(line.substr(0, line.size() - 1)));
  return line;
}

TEST_CASE("an authentication is one line of JSON") {
  CHECK(line_of(plain_record(Event::authentication)) ==
        R"({"time":"2026-11-24T16:38:00.123Z","event":"authentication","session":"00d1f5a2b3c4e697",)"
        R"("cluster":"default","listener":"external",)"
        R"("client":{"address":"10.0.0.1","port":40000,"id":"app-1","software_name":"apache-kafka-java",)"
        R"("software_version":"4.1.0"},)"
        R"("authentication":{"mechanism":"PLAIN","principal":"alice","outcome":"accepted"},)"
        R"("broker":{"id":2,"address":"b2.internal:9092"}})"
        "\n");
  AuditRecord refused = plain_record(Event::reauthentication);
  refused.outcome = Outcome::refused;
  refused.error_code = 58;
  refused.reason = "SASL_AUTHENTICATION_FAILED";
  CHECK(line_of(refused).find(
            R"("outcome":"refused","error_code":58,"reason":"SASL_AUTHENTICATION_FAILED"})") !=
        std::string::npos);
}

TEST_CASE("the end of a connection has what went over it, and who ended it") {
  AuditRecord record = plain_record(Event::end);
  record.tls = {.version = "1.3",
                .cipher = "TLS_AES_128_GCM_SHA256",
                .server_name = "b2.kafka.example",
                .certificate = AuditRecord::Certificate{"CN=app-1", "CN=ca", "0a", "ff"}};
  record.traffic = {10, 20, 3, 4, {{"Fetch", 2}, {"Metadata", 1}}};
  record.duration = 1500ms;
  record.cause = CloseCause::broker_reset;
  const std::string line = line_of(record);
  CHECK(line.find(R"("tls":{"version":"1.3","cipher":"TLS_AES_128_GCM_SHA256",)"
                  R"("server_name":"b2.kafka.example","resumed":false,)"
                  R"("certificate":{"subject":"CN=app-1","issuer":"CN=ca","serial":"0a","sha256":"ff"}})") !=
        std::string::npos);
  CHECK(line.ends_with(R"("duration_ms":1500,"ended_by":"broker","cause":"broker_reset",)"
                       R"("traffic":{"bytes_to_broker":10,"bytes_to_client":20,"frames_to_broker":3,)"
                       R"("frames_to_client":4,"requests":{"Fetch":2,"Metadata":1}}})"
                       "\n"));
}

TEST_CASE("what is not known is left out") {
  AuditRecord record;
  record.cause = CloseCause::refused_limit;
  record.cluster = "default";
  record.listener = "external";
  record.client = *SocketAddress::parse("::1", 7);
  CHECK(line_of(record) ==
        R"({"time":"2026-11-24T16:38:00.123Z","event":"end","cluster":"default","listener":"external",)"
        R"("client":{"address":"::1","port":7},"duration_ms":0,"ended_by":"kferry","cause":"refused_limit",)"
        R"("traffic":{"bytes_to_broker":0,"bytes_to_client":0,"frames_to_broker":0,"frames_to_client":0,)"
        R"("requests":{}}})"
        "\n");
}

TEST_CASE("texts of clients cannot forge anything, and are cut") {
  AuditRecord record = plain_record(Event::end);
  const std::string hostile(1000, '"');
  const std::string forged = "x\",\"outcome\":\"accepted\"}\n{\"event\":\"end\xff\x1b[2J";
  record.client_id = forged;
  record.principal = hostile;
  record.software_name = hostile;
  record.mechanism = hostile;
  record.tls = AuditRecord::Tls{};
  record.tls->server_name = hostile;
  record.tls->certificate = AuditRecord::Certificate{hostile, hostile, hostile, "ff"};
  record.broker_address = "b:1";
  for (const AuditFormat format : {AuditFormat::json, AuditFormat::ocsf}) {
    const std::string line = line_of(record, format);
    CHECK(line.find("\\u000a") != std::string::npos);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find(std::string(129, '"')) == std::string::npos);
  }
  const std::string line = line_of(record);
  const std::string shown = R"("principal":")";
  const std::size_t at = line.find(shown) + shown.size();
  CHECK(line.find("(cut)\"", at) - at < audited_principal_max + 64);
}

TEST_CASE("a line is never longer than what a pipe takes whole") {
  AuditRecord record = plain_record(Event::end);
  const std::string long_text(1000, '\x01');
  record.client_id = record.software_name = record.software_version = record.mechanism = record.principal =
      long_text;
  record.reason = record.broker_address = long_text;
  record.proxied = {long_text, long_text};
  record.tls = {long_text, long_text, long_text, true,
                AuditRecord::Certificate{long_text, long_text, long_text, long_text}};
  for (int i = 0; i < 93; ++i)
    record.traffic.requests.emplace_back("DescribeTopicPartitions", UINT64_MAX / 100);
  for (const AuditFormat format : {AuditFormat::json, AuditFormat::ocsf})
    for (const Event event : {Event::end, Event::authentication}) {
      record.event = event;
      line_of(record, format);
    }
  AuditRecord many = plain_record(Event::end);
  for (int i = 0; i < 200; ++i) many.traffic.requests.emplace_back("DescribeTopicPartitions", 1);
  const std::string line = line_of(many);
  CHECK(line.find(R"("other":)") != std::string::npos);
}

TEST_CASE("OCSF knows a logon from the end of a connection") {
  const std::string logon = line_of(plain_record(Event::authentication), AuditFormat::ocsf);
  CHECK(logon.starts_with(R"({"category_uid":3,"class_uid":3002,"activity_id":1,"activity_name":"Logon",)"
                          R"("type_uid":300201,"time":1795538280123,"severity_id":1,)"));
  CHECK(logon.find(R"("user":{"type_id":1,"name":"alice"})") != std::string::npos);
  CHECK(logon.find(R"("is_cleartext":true,"status_id":1)") != std::string::npos);
  AuditRecord record = plain_record(Event::end);
  record.cause = CloseCause::refused_protocol;
  record.traffic = {10, 20, 3, 4, {}};
  const std::string end = line_of(record, AuditFormat::ocsf);
  CHECK(end.starts_with(R"({"category_uid":4,"class_uid":4001,"activity_id":5,"activity_name":"Refuse",)"
                        R"("type_uid":400105,)"));
  CHECK(end.find(R"("traffic":{"bytes_in":20,"bytes_out":10,"bytes":30})") != std::string::npos);
}

TEST_CASE("every cause of a close has someone who has ended the connection") {
  std::array<int, 3> sides{};
  for (std::size_t cause = 0; cause < close_causes; ++cause) {
    const std::string_view by = ended_by(static_cast<CloseCause>(cause));
    ++sides[by == "client" ? 0 : by == "broker" ? 1 : 2];
    CHECK((by == "client" || by == "broker" || by == "kferry"));
  }
  CHECK(sides == std::array<int, 3>{2, 2, 12});
}

}  // namespace
}  // namespace kferry::operations
