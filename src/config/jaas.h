// Credentials in the form of Kafka's `sasl.jaas.config`: one login module with its options, read as
// java.io.StreamTokenizer reads it (org.apache.kafka.common.security.JaasConfig).
//
//   jaas    = module flag *(name "=" value) ";"     value: a word, or quoted by " or ' with \ escapes
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/fault.h"

namespace kferry::config {

struct Jaas {
  std::string module;                          // the class's full name
  std::map<std::string, std::string> options;  // secret: they hold the password
};
// A fault shows none of the text: a misplaced quote would put the password into it.
Parsed<Jaas> parse_jaas(std::string_view text);

}  // namespace kferry::config
