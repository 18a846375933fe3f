// The file that a log's descriptor leads to, so that a log can follow its name after a rotation.
#pragma once

#include <sys/types.h>

#include <string>

namespace kferry::operations {

class LogFile {
 public:
  // `fd` is not closed.
  explicit LogFile(int fd);

  // Its name when the log began; empty: no regular file, or one without a name.
  const std::string& path() const { return path_; }
  struct Reopened {
    int error = 0;  // errno: the descriptor is as it was
    bool another = false;
  };
  // Opens the name, to append, and puts the file in the place of the descriptor if it is another one. A new file has
  // the former one's mode.
  Reopened reopen() const;

 private:
  const int fd_;
  mode_t mode_ = 0;
  std::string path_;
};

}  // namespace kferry::operations
