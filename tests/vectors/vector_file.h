// Reads the file of generate.py: requests and responses made by Kafka's own serializers, one a line.
// The format is documented in java/src/main/java/vectors/Generator.java.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kferry::vectors {

using Bytes = std::vector<std::byte>;

struct RequestVector {
  std::int16_t api = 0;
  std::int16_t version = 0;
  enum class Expect : std::uint8_t { queued, unanswered, hidden, refused, own } expect = Expect::queued;
  std::string name;
  std::int32_t correlation_id = 0;
  std::string client_id;
  std::optional<std::int32_t> asked_node;
  Bytes frame;
  Bytes own_answer;
};

struct LearntBroker {
  std::int32_t id = 0;
  std::string host;
  std::int32_t port = 0;
  friend bool operator==(const LearntBroker&, const LearntBroker&) = default;
};

struct ResponseVector {
  std::int16_t api = 0;
  std::int16_t version = 0;
  bool every_split = false;  // every split point and every truncation are to be tried
  bool streams = false;      // may be neutralised instead of rewritten
  std::string name;
  // What the view is to be taught: 0 nothing, F a full list, P a partial one, E a partial one or nothing,
  // H hidden API keys.
  char teaches = 0;
  std::optional<std::string> cluster_id;
  std::vector<LearntBroker> brokers;
  std::vector<std::int16_t> hidden;   // must be reported
  std::vector<std::int16_t> dropped;  // may be reported
  Bytes request;
  Bytes before;
  Bytes after;
};

// Calls back for each line in file order. False: the file cannot be read or a line is not of the format; says
// so on stderr.
bool read_vectors(const std::string& path, const std::function<void(const RequestVector&)>& on_request,
                  const std::function<void(const ResponseVector&)>& on_response);

std::string to_hex(const Bytes& bytes);

}  // namespace kferry::vectors
