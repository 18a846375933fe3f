// Makes an identity from the contents of a store: chooses the key, its certificate and the chain above it. Only for
// this folder. Never does I/O.
#pragma once

#include <expected>
#include <vector>

#include "x509/key_opener.h"
#include "x509/store_contents.h"
#include "x509/stores.h"

namespace kferry::x509 {

// `file` contains the certificates and `key_file`, which may be the same object, the keys. `opener` opens the latter.
std::expected<Identity, Failure> identity_of(const StoreFile& file, const StoreFile& key_file,
                                             KeyOpener& opener, StoreContents contents,
                                             const KeyChoice& choice, std::vector<Note>& notes);

}  // namespace kferry::x509
