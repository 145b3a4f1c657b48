#include "sidecar/wire/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::wire {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json digits() {
  return json::parse(R"({
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
    "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 2], "labels": ["no", "yes"]}]})");
}

std::string error_of(const json& document) {
  const auto contract = contract_from_json(document, true);
  return contract ? "" : contract.error();
}

TEST(Contract, ReadsAndWritesTheSameDocument) {
  const auto contract = contract_from_json(digits(), true);
  ASSERT_TRUE(contract) << contract.error();
  EXPECT_EQ(contract->inputs[0].name, "image");
  EXPECT_EQ(contract->inputs[0].datatype, Datatype::kFp32);
  EXPECT_EQ(contract->outputs[0].labels, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(to_json(*contract), digits());
}

TEST(Contract, KeepsWhatABareModelLeavesOpen) {
  const json open = json::parse(R"({"inputs": [{"name": "x"}], "outputs": []})");
  const auto contract = contract_from_json(open, false);
  ASSERT_TRUE(contract) << contract.error();
  EXPECT_FALSE(contract->inputs[0].datatype);
  EXPECT_FALSE(contract->inputs[0].shape);
  EXPECT_EQ(to_json(*contract), open);
  EXPECT_NE(error_of(open), "");
}

TEST(Contract, KnowsWhetherThereIsABatch) {
  EXPECT_TRUE(has_batch_dimension(*contract_from_json(digits(), true)));
  json fixed = digits();
  fixed["outputs"][0]["shape"] = {2};
  EXPECT_FALSE(has_batch_dimension(*contract_from_json(fixed, true)));
}

TEST(Contract, FitsShapesWithItsVaryingDimensions) {
  const TensorSpec spec{.name = "x", .datatype = {}, .shape = {{-1, 3}}, .labels = {}};
  const auto suits = [&spec](std::vector<std::int64_t> shape) { return fits(spec, shape); };
  EXPECT_TRUE(suits({0, 3}));
  EXPECT_TRUE(suits({7, 3}));
  EXPECT_FALSE(suits({7, 4}));
  EXPECT_FALSE(suits({7}));
  EXPECT_FALSE(suits({7, 3, 1}));
  EXPECT_FALSE(suits({-1, 3}));
}

struct Refused {
  const char* name;
  const char* pointer;
  json value;
  const char* says;
};

class RefusedContract : public testing::TestWithParam<Refused> {};

TEST_P(RefusedContract, NamesTheField) {
  json document = digits();
  document[json::json_pointer(GetParam().pointer)] = GetParam().value;
  EXPECT_THAT(error_of(document), HasSubstr(GetParam().says));
}

const Refused kRefused[] = {
    {"NoInputs", "/inputs", json::array(), "inputs: must name at least one tensor"},
    {"InputsAreNoList", "/inputs", 7, "inputs: must be a list"},
    {"InputIsNoObject", "/inputs/0", 7, "inputs[0]: must be an object"},
    {"NoName", "/inputs/0/name", nullptr, "inputs[0].name: must be a string"},
    {"EmptyName", "/inputs/0/name", "", "inputs[0].name: must have 1 to"},
    {"LongName", "/inputs/0/name", std::string(128, 'x'), "inputs[0].name: must have 1 to 127 bytes"},
    {"ControlCharacter", "/inputs/0/name", "a\nb", "no control characters"},
    {"NameInNoEncoding", "/inputs/0/name", "a\xff", "UTF-8"},
    {"ControlCharacterOfC1", "/inputs/0/name", "a\xc2\x9b", "no control characters"},
    {"LongUnknownField", "/inputs/0", json{{std::string(100'000, 'x'), 1}}, "…\""},
    {"NameTwice", "/inputs/1", json{{"name", "image"}, {"datatype", "FP32"}, {"shape", {1}}},
     "is there twice"},
    {"UnknownDatatype", "/inputs/0/datatype", "float", "\"float\" is not one of BOOL, UINT8"},
    {"StringDatatype", "/inputs/0/datatype", "BYTES", "\"BYTES\" is not one of"},
    {"ShapeOfText", "/inputs/0/shape", json{"n"}, "inputs[0].shape[0]: must be -1 or a whole number"},
    {"ShapeOfFractions", "/inputs/0/shape", json{1.5}, "inputs[0].shape[0]"},
    {"ShapeBelowMinusOne", "/inputs/0/shape", json{-2}, "inputs[0].shape[0]"},
    {"ShapeThatWraps", "/inputs/0/shape", json{18446744073709551615ULL}, "inputs[0].shape[0]"},
    {"TooManyDimensions", "/inputs/0/shape", json{1, 1, 1, 1, 1, 1, 1, 1, 1}, "9 dimensions; at most 8"},
    {"ShapeTooLarge", "/inputs/0/shape", json{-1, 1LL << 40, 1LL << 40}, "is too large"},
    {"UnknownField", "/inputs/0/dtype", "FP32", "unknown field \"dtype\""},
    {"UnknownFieldAbove", "/input", json::array(), "unknown field \"input\""},
    {"LabelsOnInput", "/inputs/0/labels", json{"a"}, "unknown field \"labels\""},
    {"TooFewLabels", "/outputs/0/labels", json{"a"}, "1 labels for a last dimension of 2"},
    {"NumberLabels", "/outputs/0/labels", json{1, 2}, "outputs[0].labels[0]: must be a string (quote it)"},
    {"LabelsOnAnImage", "/outputs/0/shape", json{-1, 4, 2}, "only an output of shape [-1,n] or [n]"},
    {"UnknownActivation", "/outputs/0/activation", "relu", "outputs[0].activation: must be softmax or none"},
    {"LabelsOnTwoOutputs", "/outputs/1",
     json{{"name", "b"}, {"datatype", "FP32"}, {"shape", {1}}, {"labels", {"x"}}}, "only one output"},
};
INSTANTIATE_TEST_SUITE_P(All, RefusedContract, testing::ValuesIn(kRefused),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace pilotlight::wire
