// Whether lines go to systemd's journal, which takes a prefix as their priority.
#pragma once

namespace kferry::operations {

// `journal_stream`: the value of JOURNAL_STREAM, "device:inode" (systemd.exec(5)); null: not under systemd. False if
// `fd` is another file: the variable is inherited, and what it says is true of the streams that systemd has opened.
bool is_journal(int fd, const char* journal_stream);

}  // namespace kferry::operations
