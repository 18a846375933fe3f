// The one table of the APIs that kferry decodes. A new version of Kafka is a number or a row here; the
// vectors' generator compares it with Kafka's own schemas and fails when Kafka knows more.
#pragma once

#include <cstdint>
#include <span>

#include "kafka/api_keys.h"
#include "kafka/schema.h"

namespace kferry::kafka {

// nullptr: nothing of it is decoded, any version passes.
const Api* find_api(ApiKey key);
// Carriers of addresses that only controllers speak: never offered to a client.
bool only_controllers_speak(ApiKey key);
// Whether clients are not to see it at all: only controllers speak it, or this build does not know it.
bool hidden(ApiKey key, std::span<const std::int16_t> pass_api_keys);

// What follows the correlation id in a request of an API without a row: the client id.
const Field& plain_request();
const Field& client_id_field();
// What a whole frame is while raw SASL tokens are sent.
const Field& raw_token_field();

}  // namespace kferry::kafka
