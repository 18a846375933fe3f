// The table of the APIs that kferry decodes. A new version of Kafka is a number or a row here: the generator
// of the test vectors compares the table with Kafka's own schemas and fails when Kafka knows more.
#pragma once

#include <cstdint>
#include <span>

#include "kafka/api_keys.h"
#include "kafka/schema.h"

namespace kferry::kafka {

// nullptr: kferry decodes nothing of the API, and any version passes.
const Api* find_api(ApiKey key);
// The API carries addresses and only controllers use it, so clients are never offered it.
bool used_by_controllers_only(ApiKey key);
// Clients must not see the API: only controllers use it, or this build does not know it. `pass_api_keys` are
// exempt.
bool hidden(ApiKey key, std::span<const std::int16_t> pass_api_keys);

// What follows the correlation id in a request of an API without a row: the client id.
const Field& plain_request();
const Field& client_id_field();
// A whole frame, while raw SASL tokens are exchanged.
const Field& raw_token_field();

}  // namespace kferry::kafka
