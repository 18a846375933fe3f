#include "operations/json_object.h"

#include <doctest/doctest.h>

namespace kferry::operations {
namespace {

std::string again(std::string_view text) {
  const auto object = JsonObject::parse(text);
  return object ? object->to_string() : "malformed";
}

}  // namespace

TEST_CASE("a flat object is read with its types") {
  const auto object = JsonObject::parse(
      " {\"v\":1, \"command\" : \"reload\",\"dry_run\":true,\"quiet\":false,\"x\":null,\"n\":-7}\r\n");
  REQUIRE(object);
  CHECK(object->number("v") == 1);
  CHECK(object->text("command") == "reload");
  CHECK(object->flag("dry_run") == true);
  CHECK(object->flag("quiet") == false);
  CHECK(object->number("n") == -7);
  CHECK_FALSE(object->text("x"));
  CHECK_FALSE(object->text("v"));
  CHECK_FALSE(object->flag("absent"));
}

TEST_CASE("an object is written on one line, its version first") {
  JsonObject object;
  object.set_text("command", "a\nb").set_number("v", 1).set_flag("dry_run", true);
  CHECK(object.to_string() == "{\"v\":1,\"command\":\"a\\u000ab\",\"dry_run\":true}");
  CHECK(again(object.to_string()) == object.to_string());
  CHECK(JsonObject{}.to_string() == "{}");
  CHECK(again("{}") == "{}");
}

TEST_CASE("escapes become the characters that they name") {
  const auto object = JsonObject::parse(R"({"t":"\"\\\/\b\f\n\r\t\u0041\u00e4\u20AC\ud83d\ude00"})");
  REQUIRE(object);
  CHECK(object->text("t") == "\"\\/\b\f\n\r\tA\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST_CASE("whatever is not one flat object is malformed") {
  for (const char* text : {"",
                           "{",
                           "}",
                           "[]",
                           "1",
                           "\"a\"",
                           "{}{}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1 \"b\":2}",
                           "{a:1}",
                           "{\"a\":{}}",
                           "{\"a\":[]}",
                           "{\"a\":1.5}",
                           "{\"a\":1e3}",
                           "{\"a\":01}",
                           "{\"a\":-}",
                           "{\"a\":-01}",
                           "{\"a\":+1}",
                           "{\"a\":99999999999999999999}",
                           "{\"a\":tru}",
                           "{\"a\":1,\"a\":2}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\ud83d\"}",
                           "{\"a\":\"\\ude00\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\u+123\"}",
                           "{\"a\":\"\xFF\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"b",
                           "{\"a\":\"\\"})
    CHECK_MESSAGE(again(text) == "malformed", text);
  CHECK(again("{\"a\":0}") == "{\"a\":0}");
  CHECK(again("{\"a\":-0}") == "{\"a\":0}");
}

}  // namespace kferry::operations
