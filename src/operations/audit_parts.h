// What both forms of an audit record are written with: nested JSON objects on one line. Only for audit_line.cc and
// audit_ocsf.cc.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/audit_sink.h"

namespace kferry::operations {

// An object with its members in the order of the calls. Names need no escapes.
class JsonLine {
 public:
  JsonLine() { out_.reserve(1024); }

  // At most the first `size_max` bytes of the text, for whose escapes there are 64 more; a longer one is cut.
  JsonLine& text(std::string_view name, std::string_view text, std::size_t size_max = audited_text_max);
  // Nothing if the text is empty.
  JsonLine& text_if(std::string_view name, std::string_view text, std::size_t size_max = audited_text_max) {
    return text.empty() ? *this : this->text(name, text, size_max);
  }
  template <std::integral Number>
  JsonLine& number(std::string_view name, Number value) {
    return raw(name, std::to_string(value));
  }
  JsonLine& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  // Until end(), what follows is inside the object of this name.
  JsonLine& begin(std::string_view name);
  // The same for an array of one object, which end_list() ends.
  JsonLine& begin_list(std::string_view name);
  JsonLine& end();
  JsonLine& end_list();
  std::size_t size() const { return out_.size(); }
  // The line with its end. Everything begun has ended.
  std::string finished() &&;

 private:
  JsonLine& raw(std::string_view name, std::string_view value);

  std::string out_ = "{";
};

// The member "requests": an object with a count for each API.
void add_requests(JsonLine& line, const AuditRecord::Traffic& traffic);

// In audit_ocsf.cc.
std::string ocsf_line(const AuditRecord& record, std::chrono::system_clock::time_point at);

}  // namespace kferry::operations
