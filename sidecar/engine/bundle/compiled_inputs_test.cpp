#include "sidecar/engine/bundle/compiled_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::engine {
namespace {

using ::testing::HasSubstr;
using wire::Datatype;

constexpr const char* kTwo =
    R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": ["batch", "n", 4]},
                   {"name": "mask", "datatype": "BOOL", "shape": ["batch", "n"]}],
        "sizes": {"batch": [1, 64], "n": [2, 100]}})";

std::string refusal(const std::vector<std::pair<Datatype, std::vector<std::int64_t>>>& tensors) {
  const auto inputs = read_compiled_inputs(kTwo).value();
  std::vector<Given> given;
  for (const auto& [datatype, shape] : tensors) given.push_back({.datatype = datatype, .shape = shape});
  const auto checked = check_inputs(inputs, given);
  return checked ? "" : checked.error();
}

TEST(CompiledInputs, SizesWithinTheirRangesFit) {
  EXPECT_EQ(refusal({{Datatype::kFp32, {1, 2, 4}}, {Datatype::kBool, {1, 2}}}), "");
  EXPECT_EQ(refusal({{Datatype::kFp32, {64, 100, 4}}, {Datatype::kBool, {64, 100}}}), "");
}

TEST(CompiledInputs, OthersAreRefusedWithWhatWasExpected) {
  EXPECT_EQ(refusal({{Datatype::kFp32, {65, 2, 4}}, {Datatype::kBool, {65, 2}}}),
            "input \"x\" is FP32 [65,2,4]; the model was compiled for FP32 [1…64,2…100,4]");
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {0, 2, 4}, {1, 1, 4}, {1, 101, 4}, {1, 2, 5}, {1, 2, 3}, {1, 2}, {1, 2, 4, 1}, {}, {-1, 2, 4}}) {
    EXPECT_THAT(refusal({{Datatype::kFp32, shape}, {Datatype::kBool, {1, 2}}}), HasSubstr("input \"x\" is"));
  }
  EXPECT_THAT(refusal({{Datatype::kFp64, {1, 2, 4}}, {Datatype::kBool, {1, 2}}}), HasSubstr("FP64"));
}

TEST(CompiledInputs, SizesThatBelongTogetherAreTheSame) {
  EXPECT_EQ(refusal({{Datatype::kFp32, {3, 2, 4}}, {Datatype::kBool, {2, 2}}}),
            "dimension 0 of input \"mask\" is 2, but must be 3 as elsewhere (\"batch\")");
  EXPECT_THAT(refusal({{Datatype::kFp32, {3, 2, 4}}, {Datatype::kBool, {3, 3}}}), HasSubstr("dimension 1"));
}

TEST(CompiledInputs, TheirNumberIsTheModels) {
  EXPECT_EQ(refusal({{Datatype::kFp32, {3, 2, 4}}}), "the model was compiled for 2 inputs, not 1");
  EXPECT_EQ(refusal({}), "the model was compiled for 2 inputs, not 0");
}

TEST(CompiledInputs, WhatIsWrongWithTheMetadataIsNamed) {
  const auto error = [](const char* text) {
    const auto read = read_compiled_inputs(text);
    return read ? "" : read.error();
  };
  EXPECT_THAT(error("["), HasSubstr("no JSON object"));
  EXPECT_THAT(error("{}"), HasSubstr("inputs must be a list"));
  EXPECT_THAT(error(R"({"inputs": []})"), HasSubstr("inputs must be a list"));
  EXPECT_THAT(error(R"({"inputs": [1]})"), HasSubstr("inputs[0] must be an object"));
  EXPECT_THAT(error(R"({"inputs": [{"datatype": "FP32", "shape": []}]})"), HasSubstr("inputs[0].name"));
  EXPECT_THAT(error(R"({"inputs": [{"name": "x", "datatype": "FP8", "shape": []}]})"), HasSubstr("BOOL, "));
  EXPECT_THAT(error(R"({"inputs": [{"name": "x", "datatype": "FP32"}]})"), HasSubstr("inputs[0].shape"));
  EXPECT_THAT(error(R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]})"),
              HasSubstr("inputs[0].shape must be a size"));
  EXPECT_THAT(error(R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": ["n"]}]})"),
              HasSubstr("\"n\" is not in sizes"));
  EXPECT_THAT(error(R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1,1,1,1,1,1,1,1,1]}]})"),
              HasSubstr("at most 8"));
  EXPECT_THAT(error(R"({"inputs": [], "sizes": {"n": [3, 2]}})"), HasSubstr("of no size"));
  EXPECT_THAT(error(R"({"inputs": [], "sizes": {"n": 3}})"), HasSubstr("[least, most]"));
  EXPECT_THAT(error(R"({"inputs": [], "sizes": []})"), HasSubstr("sizes must be an object"));
}

}  // namespace
}  // namespace pilotlight::engine
