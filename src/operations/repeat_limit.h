// Decides which log events are written and which are only counted, so that neither a busy subject nor many subjects
// with the same cause can flood the log. Pure: the caller tells the time and writes the counts.
//
// A window begins with the first event of its kind and lasts `window`. In it
//
//   a pair (cause, subject)  gets at most `burst` lines,
//   a cause                  gets at most `cause_burst` lines, from whichever subjects come first.
//
// What exceeds a limit is counted once: for the pair if its own limit holds it back, else for the cause. So a cause
// gives at most cause_burst lines, as many counts of pairs, and one count of its own per window. Memory is bounded by
// `kinds_max` pairs and as many causes: beyond that, the least recently seen one ends early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"

namespace kferry::operations {

class RepeatLimit {
 public:
  struct Options {
    std::uint32_t burst = 3;
    std::uint32_t cause_burst = 100;
    Duration window = std::chrono::seconds(60);
    std::size_t kinds_max = 4096;
  };
  // What a window that is over has held back.
  struct Count {
    Severity severity = Severity::info;  // the most severe of those counted
    std::string cause;
    std::string subject;  // empty if of_cause
    bool of_cause =
        false;  // events from subjects without a line of their own, or beyond the limit of the cause
    std::uint64_t more = 0;
    Duration in{};
  };

  explicit RepeatLimit(Options options);

  // True: the event is to be written. Appends to `over` what windows have held back that ended for it.
  bool admit(Severity severity, std::string_view cause, std::string_view subject, Instant now,
             std::vector<Count>& over);
  // Appends the counts of windows that are over, or of `all`.
  void end_windows(Instant now, std::vector<Count>& over, bool all = false);

 private:
  struct Kind;
  using Use = std::list<Kind>::iterator;
  struct Kind {
    std::string cause;
    std::string subject;
    Severity severity = Severity::info;
    Instant began{};
    std::uint32_t written = 0;
    std::uint64_t more = 0;
    std::list<Use>::iterator window{};
  };
  // The kinds of one sort: pairs, or causes.
  struct Kinds {
    std::list<Kind> uses;    // in the order of last use
    std::list<Use> windows;  // in the order of their ends, because all windows are equally long
    std::unordered_map<std::string, Use> known;  // by cause, NUL, subject
  };

  static Kind* find(Kinds& kinds, const std::string& key);
  Kind& begin(Kinds& kinds, std::string key, Kind kind, std::vector<Count>& over);
  void end(Kinds& kinds, Use use, Instant now, std::vector<Count>& over) const;

  const Options options_;
  Kinds pairs_;
  Kinds causes_;
};

}  // namespace kferry::operations
