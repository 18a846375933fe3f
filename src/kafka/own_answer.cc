#include "kafka/own_answer.h"

#include "kafka/api_table.h"
#include "kafka/error_codes.h"

namespace kferry::kafka {

const OwnAnswer unsupported_api_versions{[](Writer& body, const Unanswered& request) {
  const Versions known = find_api(request.key)->versions;
  body.i16(error_unsupported_version).classic_array(1);
  body.i16(number(request.key)).i16(known.from).i16(known.to);
}};

const OwnAnswer unsupported_without_ranges{
    [](Writer& body, const Unanswered&) { body.i16(error_unsupported_version).classic_array(0); }};

Bytes frame_of(const OwnAnswer& answer, const Unanswered& request) {
  Writer out;
  out.i32(number(request.correlation_id));
  answer.write(out, request);
  return out.frame();
}

}  // namespace kferry::kafka
