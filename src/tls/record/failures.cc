#include "tls/record/failures.h"

namespace kferry::tls {

std::string who(Remote remote) {
  return remote == Remote::client ? "the client" : "the broker";
}

Failure forged_record(Remote remote) {
  return {"record_forged",
          "a record of " + who(remote) + " does not decrypt: it was damaged or forged on the way"};
}

Failure malformed_record(Remote remote, std::string_view what) {
  return {"record_malformed", "a TLS record of " + who(remote) + " " + std::string(what)};
}

}  // namespace kferry::tls
