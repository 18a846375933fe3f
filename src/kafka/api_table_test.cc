#include "kafka/api_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>

namespace kferry::kafka {
namespace {

std::size_t depth(std::span<const Field> fields) {
  std::size_t deepest = 0;
  for (const Field& field : fields) deepest = std::max(deepest, 1 + depth(field.fields));
  return deepest;
}

void check_rows(const Field& structure, bool top) {
  for (const Field& field : structure.fields) {
    CAPTURE(field.name);
    const bool nests =
        field.wire == Wire::structure || field.wire == Wire::array || field.wire == Wire::nullable_array;
    CHECK((nests || field.fields.empty()));
    CHECK((top || field.tag == untagged));
    CHECK((field.tag == untagged || field.wire == Wire::array));
    if (nests) check_rows(field, false);
  }
}

// At the top level of the message; only the client id may be captured from a nested structure.
std::ptrdiff_t captured_fields(const Field& message) {
  for (const Field& field : message.fields)
    for (const Field& inner : field.fields) CHECK((inner.captured_max == 0 || inner.role == Role::client_id));
  return std::count_if(message.fields.begin(), message.fields.end(), [](const Field& field) {
    return field.captured_max > 0 && field.role != Role::client_id;
  });
}

TEST_CASE("the rows meet the requirements of the walkers") {
  int decoded = 0;
  for (std::int16_t key = -1; key < 200; ++key) {
    const Api* api = find_api(ApiKey{key});
    if (api == nullptr) continue;
    CAPTURE(api_name(ApiKey{key}));
    ++decoded;
    CHECK(number(api->key) == key);
    CHECK(depth(api->request.fields) <= 4);
    CHECK(depth(api->response.fields) <= 4);
    check_rows(api->request, true);
    check_rows(api->response, true);
    const bool walked = api->walked.from != never.from;
    CHECK((api->treatment != nullptr) == (walked && api->shape != Shape::leaders));
    if (api->leaders != nullptr) check_rows(*api->leaders, true);
    CHECK(api->response.fields.empty() == !walked);
    CHECK(captured_fields(api->request) <= 2);  // RequestWalker has room for two beside the client id
    // A response that is walked to its end must be flexible, because it ends in a tag section.
    if (api->shape != Shape::head) CHECK(api->flexible.has(api->walked.from));
  }
  CHECK(decoded == 13);
}

TEST_CASE("every known API has a name, and unknown and vendor APIs have a word") {
  for (std::int16_t key = 0; key <= newest_api_key; ++key) CHECK_FALSE(api_name(ApiKey{key}).empty());
  CHECK(number(key_of("Produce")) == 0);
  CHECK(number(key_of("DescribeCluster")) == 60);
  CHECK(api_name(ApiKey{60}) == "DescribeCluster");
  CHECK(api_name(ApiKey{newest_api_key}) == "UnregisterController");
  CHECK(api_name(ApiKey{newest_api_key + 1}) == "unknown API");
  CHECK(api_name(ApiKey{-1}) == "unknown API");
  CHECK(api_name(ApiKey{first_vendor_api_key}) == "vendor API");
}

TEST_CASE("keys of controllers and keys unknown to this build are hidden, unless pass_api_keys has them") {
  const std::int16_t pass[]{53, 9'999};
  for (const std::int16_t key : std::initializer_list<std::int16_t>{52, 53, 54, 58, 59, 82, 95, 9'999, -1}) {
    CHECK(hidden(ApiKey{key}, {}));
    CHECK(hidden(ApiKey{key}, pass) == (key != 53 && key != 9'999));
  }
  for (const std::int16_t key : std::initializer_list<std::int16_t>{0, 1, 55, 94, 10'000, 32'767})
    CHECK_FALSE(hidden(ApiKey{key}, {}));
}

}  // namespace
}  // namespace kferry::kafka
