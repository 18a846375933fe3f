#include "operations/audit_parts.h"

#include "operations/audit_line.h"
#include "operations/json.h"

namespace kferry::operations {
namespace {

// What may follow the counts of requests: the sum of the others, and the ends of objects.
constexpr std::size_t rest_max = 512;

}  // namespace

JsonLine& JsonLine::raw(std::string_view name, std::string_view value) {
  if (out_.back() != '{') out_ += ',';
  out_.append("\"").append(name).append("\":").append(value);
  return *this;
}

JsonLine& JsonLine::text(std::string_view name, std::string_view text, std::size_t size_max) {
  constexpr std::size_t quotes = 2;
  constexpr std::size_t escapes_max = 64;
  return raw(name, json_string(text.substr(0, size_max), size_max + escapes_max + quotes));
}

JsonLine& JsonLine::begin(std::string_view name) {
  return raw(name, "{");
}

JsonLine& JsonLine::begin_list(std::string_view name) {
  return raw(name, "[{");
}

JsonLine& JsonLine::end() {
  out_ += '}';
  return *this;
}

JsonLine& JsonLine::end_list() {
  out_ += "}]";
  return *this;
}

std::string JsonLine::finished() && {
  out_ += "}\n";
  return std::move(out_);
}

void add_requests(JsonLine& line, const AuditRecord::Traffic& traffic) {
  line.begin("requests");
  std::uint64_t other = 0;
  for (const auto& [api, count] : traffic.requests) {
    if (api == "other" || line.size() + rest_max > audit_line_size_max) {
      other += count;
    } else {
      line.number(api, count);
    }
  }
  if (other > 0) line.number("other", other);
  line.end();
}

}  // namespace kferry::operations
