#include "sidecar/engine/bundle/yaml_subset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::engine {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json value_of(const std::string& text) {
  auto document = read_yaml(text, Scalars::kTyped);
  EXPECT_TRUE(document) << document.error();
  return document ? *document : json();
}

std::string error_of(const std::string& text) {
  const auto document = read_yaml(text, Scalars::kTyped);
  return document ? "" : document.error();
}

TEST(Yaml, ScalarsAreTypedAsInVersion12) {
  EXPECT_EQ(value_of("[1, -7, +3, 1.5, 1e-4, .5]"), json({1, -7, 3, 1.5, 1e-4, 0.5}));
  EXPECT_EQ(value_of("[true, false, null, ~, ]"), json({true, false, nullptr, nullptr}));
  EXPECT_EQ(value_of("[yes, no, on, 3.13.5, nan, inf, 1x, -, e, +-5]"),
            json({"yes", "no", "on", "3.13.5", "nan", "inf", "1x", "-", "e", "+-5"}));
  EXPECT_EQ(value_of("['1', \"true\", \"\"]"), json({"1", "true", ""}));
  EXPECT_EQ(value_of("a:\n  - {b: c}\n  - d: |\n      e\n"),
            json::parse(R"({"a": [{"b": "c"}, {"d": "e\n"}]})"));
  EXPECT_EQ(value_of("a:\nb: 1"), json::parse(R"({"a": null, "b": 1})"));
}

TEST(Yaml, TextKeepsScalarsAsWritten) {
  const auto document = read_yaml("torch: 2.10\nempty:\n", Scalars::kText);
  ASSERT_TRUE(document);
  EXPECT_EQ(*document, json::parse(R"({"torch": "2.10", "empty": ""})"));
}

TEST(Yaml, RefusesWhatTheSubsetLeavesOut) {
  EXPECT_THAT(error_of("a: &x 1\nb: *x"), HasSubstr("line 1, column 4: anchors are not accepted"));
  EXPECT_THAT(error_of("a: &x [1]"), HasSubstr("anchors are not accepted"));
  EXPECT_THAT(error_of("a: !!str 1"), HasSubstr("tags are not accepted"));
  EXPECT_THAT(error_of("a: !!python/object:os.system {}"), HasSubstr("tags are not accepted"));
  EXPECT_THAT(error_of("a: !local [1]"), HasSubstr("tags are not accepted"));
  EXPECT_THAT(error_of("<<: {a: 1}"), HasSubstr("merge keys are not accepted"));
  EXPECT_THAT(error_of("a: 1\nb: 2\na: 3"), HasSubstr("key \"a\" is there twice"));
  EXPECT_THAT(error_of("? [1]\n: 2"), HasSubstr("a key must be a plain word or a string"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2"), HasSubstr("more than one document"));
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of("a: [1"), HasSubstr("line"));
  EXPECT_THAT(error_of("a: *nothing"), ::testing::Not(""));
}

TEST(Yaml, RefusesTextThatIsNoUtf8) {
  for (const char* text : {"a: \xff", "\xff: a", "[\xed\xa0\x80]", "a: '\xc3'"}) {
    EXPECT_THAT(error_of(text), HasSubstr("not UTF-8")) << text;
  }
}

TEST(Yaml, AnErrorQuotesOfAKeyWhatFitsASentence) {
  const std::string key = "\"" + std::string(900, 'k') + "\\e\"";
  EXPECT_LT(error_of(key + ": 1\n" + key + ": 2\n").size(), 200U);
}

TEST(Yaml, RefusesABillionLaughs) {
  EXPECT_NE(error_of("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]"), "");
}

TEST(Yaml, RefusesTooDeepAndTooLarge) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(kMaxYamlDepth)), "");
  EXPECT_THAT(error_of(nested(kMaxYamlDepth + 1)), HasSubstr("more than 16 levels deep"));
  EXPECT_NE(error_of(nested(100'000)), "");
  EXPECT_THAT(error_of("a: " + std::string(kMaxYamlBytes, 'x')), HasSubstr("at most 1048576"));
}

}  // namespace
}  // namespace pilotlight::engine
