#include "base/log_sink.h"

namespace kferry {
namespace {

class NullLogSink final : public LogSink {
 public:
  void write(const LogEvent&) noexcept override {}
};

}  // namespace

LogSink& null_log_sink() {
  static NullLogSink sink;
  return sink;
}

}  // namespace kferry
