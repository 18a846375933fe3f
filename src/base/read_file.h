// Reads a whole file that an operator has named: a regular file, or a pipe that another process writes to, such as a
// shell's process substitution (/dev/fd/63). Never waits for a writer that does not come, never fills the memory from a
// device, and leaves no copy of what it reads behind.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "base/clock.h"
#include "base/secret.h"

namespace kferry {

struct ReadFailure {
  int error = 0;    // errno; 0 where `why` says more than an errno could
  std::string why;  // such as "No such file or directory", "is a folder"
};

// How long a pipe is waited for in all.
inline constexpr Duration pipe_patience = std::chrono::seconds(5);

// True if a pipe is there now: its bytes can be read once. False where nothing is there.
bool is_pipe(const std::string& path);

// Reads at most `size_max` bytes; a longer file is a failure.
std::expected<Bytes, ReadFailure> read_file(const std::string& path, std::size_t size_max,
                                            Duration patience = pipe_patience);

}  // namespace kferry
