// What clients may write into a request's body, and what they are told when it is wrong.

#include "sidecar/front/request.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <format>
#include <optional>

#include "sidecar/wire/arena.h"

namespace pilotlight::front {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wire::Datatype;

constexpr std::uint64_t kArena = 1 << 20;

wire::Contract contract_of(Datatype type, std::vector<std::int64_t> shape) {
  wire::Contract contract;
  contract.inputs = {{.name = "x", .datatype = type, .shape = std::move(shape), .labels = {}}};
  contract.outputs = {{.name = "y", .datatype = Datatype::kFp32, .shape = {{-1, 2}}, .labels = {}}};
  return contract;
}

class RequestTest : public ::testing::Test {
 protected:
  template <class T>
  std::vector<T> values(const Inputs& inputs, std::size_t index = 0) {
    const auto& tensor = inputs.tensors.at(index);
    std::vector<T> result(tensor.bytes / sizeof(T));
    std::ranges::copy(arena_.bytes().subspan(tensor.offset, tensor.bytes),
                      std::as_writable_bytes(std::span(result)).begin());
    return result;
  }

  std::expected<InferRequest, BadRequest> infer(const std::string& body, const wire::Contract& contract,
                                                std::optional<std::uint64_t> json_bytes = {}) {
    std::string padded = body;
    padded.reserve(body.size() + 64);
    return parse_infer(padded, json_bytes, contract, heap_);
  }

  std::expected<PredictRequest, BadRequest> predict(const std::string& body, const wire::Contract& contract) {
    std::string padded = body;
    padded.reserve(body.size() + 64);
    return parse_predict(padded, contract, heap_);
  }

  wire::Arena arena_ = *wire::Arena::create(kArena);
  ArenaHeap heap_{arena_.bytes(), 0, kArena};
};

std::string one_input(std::string_view type, std::string_view shape, std::string_view data) {
  return std::format(R"({{"inputs":[{{"name":"x","datatype":"{}","shape":{},"data":{}}}]}})", type, shape,
                     data);
}

TEST_F(RequestTest, NumbersOfEveryDatatypeArrive) {
  const auto read = [&]<class T>(Datatype type, std::string_view name, std::string_view data) {
    const auto request = infer(one_input(name, "[3]", data), contract_of(type, {3}));
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? values<T>(request->inputs) : std::vector<T>();
  };
  EXPECT_THAT(read.operator()<std::uint8_t>(Datatype::kBool, "BOOL", "[true,false,true]"),
              ElementsAre(1, 0, 1));
  EXPECT_THAT(read.operator()<std::uint8_t>(Datatype::kUint8, "UINT8", "[0,1,255]"), ElementsAre(0, 1, 255));
  EXPECT_THAT(read.operator()<std::int8_t>(Datatype::kInt8, "INT8", "[-128,0,127]"),
              ElementsAre(-128, 0, 127));
  EXPECT_THAT(read.operator()<std::int16_t>(Datatype::kInt16, "INT16", "[-32768,0,32767]"),
              ElementsAre(-32768, 0, 32767));
  EXPECT_THAT(read.operator()<std::int32_t>(Datatype::kInt32, "INT32", "[-2147483648,0,2147483647]"),
              ElementsAre(INT32_MIN, 0, INT32_MAX));
  EXPECT_THAT(read.operator()<std::int64_t>(Datatype::kInt64, "INT64",
                                            "[-9223372036854775808,0,9223372036854775807]"),
              ElementsAre(INT64_MIN, 0, INT64_MAX));
  EXPECT_THAT(read.operator()<std::uint16_t>(Datatype::kFp16, "FP16", "[1,-2,65504]"),
              ElementsAre(0x3c00, 0xc000, 0x7bff));
  EXPECT_THAT(read.operator()<std::uint16_t>(Datatype::kBf16, "BF16", "[1,-2,0.5]"),
              ElementsAre(0x3f80, 0xc000, 0x3f00));
  EXPECT_THAT(read.operator()<float>(Datatype::kFp32, "FP32", "[0.1,-1e-3,3]"),
              ElementsAre(0.1F, -1e-3F, 3.0F));
  EXPECT_THAT(read.operator()<double>(Datatype::kFp64, "FP64", "[0.1,1e300,-0.0]"),
              ElementsAre(0.1, 1e300, -0.0));
}

TEST_F(RequestTest, DataMayBeNestedAsItsShape) {
  const auto request =
      infer(one_input("INT32", "[2,2]", "[[1,2],[3,4]]"), contract_of(Datatype::kInt32, {-1, 2}));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<std::int32_t>(request->inputs), ElementsAre(1, 2, 3, 4));
}

TEST_F(RequestTest, DataMayComeBeforeItsShape) {
  const auto request =
      infer(R"({"inputs":[{"data":[1,2],"parameters":{"q":[1,{}]},"shape":[1,2],"datatype":"INT32",
                                 "name":"x"}],"id":"seven","later":{"a":[null,true]}})",
            contract_of(Datatype::kInt32, {-1, 2}));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->id, "seven");
  EXPECT_THAT(values<std::int32_t>(request->inputs), ElementsAre(1, 2));
}

TEST_F(RequestTest, InputsComeInTheContractsOrder) {
  auto contract = contract_of(Datatype::kInt32, {-1, 1});
  contract.inputs.push_back({.name = "z", .datatype = Datatype::kInt64, .shape = {{-1}}, .labels = {}});
  const auto request = infer(R"({"inputs":[{"name":"z","datatype":"INT64","shape":[1],"data":[7]},
                                           {"name":"x","datatype":"INT32","shape":[1,1],"data":[5]}]})",
                             contract);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<std::int32_t>(request->inputs, 0), ElementsAre(5));
  EXPECT_THAT(values<std::int64_t>(request->inputs, 1), ElementsAre(7));
}

TEST_F(RequestTest, AModelThatSaysNothingBelievesTheRequest) {
  wire::Contract bare;
  bare.inputs = {{.name = "x", .datatype = {}, .shape = {}, .labels = {}}};
  const auto request = infer(one_input("INT16", "[1,1,2]", "[3,4]"), bare);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->inputs.tensors[0].rank, 3);
  EXPECT_THAT(values<std::int16_t>(request->inputs), ElementsAre(3, 4));
}

TEST_F(RequestTest, OutputsAreChosenByNameAndForm) {
  const auto request = infer(R"({"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[1]}],
                                 "outputs":[{"name":"y","parameters":{"binary_data":true}}],
                                 "parameters":{"binary_data_output":false}})",
                             contract_of(Datatype::kInt32, {1}));
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->outputs.size(), 1);
  EXPECT_EQ(request->outputs[0].name, "y");
  EXPECT_EQ(request->outputs[0].binary, true);
}

struct BadRow {
  const char* name;
  std::string body;
  const char* says;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

std::string deep(int levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

class BadInferTest : public RequestTest, public ::testing::WithParamInterface<BadRow> {};

TEST_P(BadInferTest, IsRefusedWithTheField) {
  const auto request = infer(GetParam().body, contract_of(Datatype::kInt32, {-1, 2}));
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().status, 400);
  EXPECT_THAT(request.error().message, HasSubstr(GetParam().says));
}

const std::string kTwo = R"({"name":"x","datatype":"INT32","shape":[1,2],"data":[1,2]})";

INSTANTIATE_TEST_SUITE_P(
    Rows, BadInferTest,
    ::testing::Values(
        BadRow{"EmptyBody", "", "the body: is empty"}, BadRow{"NotJson", "hello", "the body"},
        BadRow{"AList", "[]", "the body: must be a JSON object"},
        BadRow{"Unfinished", R"({"inputs":[)", "is not valid JSON"},
        BadRow{"TrailingBytes", "{\"inputs\":[" + kTwo + "]} x", "the body: is not valid JSON"},
        BadRow{"TrailingObject", "{\"inputs\":[" + kTwo + "]}{}", "something behind"},
        BadRow{"NotUtf8", "{\"inputs\":[" + kTwo + "],\"id\":\"\xff\"}", "not UTF-8"},
        BadRow{"DuplicateKeyAtTheTop", "{\"inputs\":[" + kTwo + "],\"inputs\":[]}", "'inputs' twice"},
        BadRow{"DuplicateKeyInAnInput",
               R"({"inputs":[{"name":"x","name":"x","datatype":"INT32","shape":[1,2],"data":[1,2]}]})",
               "inputs[0]: has the field 'name' twice"},
        BadRow{"DuplicateKeyInAnUnknownField", "{\"inputs\":[" + kTwo + R"(],"u":{"a":1,"a":2}})",
               "u: has the field"},
        BadRow{"DuplicateKeyByEscape", "{\"inputs\":[" + kTwo + R"(],"a":1,"\u0061":2})", "'a' twice"},
        BadRow{"TooDeep", "{\"inputs\":[" + kTwo + "],\"u\":" + deep(40) + "}", "nested deeper than 32"},
        BadRow{"NanLiteral", one_input("INT32", "[1,2]", "[NaN,1]"), "inputs[0].data[0]"},
        BadRow{"InfinityLiteral", one_input("INT32", "[1,2]", "[1,Infinity]"), "inputs[0].data[1]"},
        BadRow{"NanInAnUnknownField", "{\"inputs\":[" + kTwo + "],\"u\":NaN}", "u"},
        BadRow{"LeadingZero", one_input("INT32", "[1,2]", "[01,1]"), "inputs[0].data[0]"},
        BadRow{"OutOfRange", one_input("INT32", "[1,2]", "[1,2147483648]"),
               "inputs[0].data[1]: must be a whole number from -2147483648 to 2147483647 (INT32), is "
               "2147483648"},
        BadRow{"BeyondInt64", one_input("INT32", "[1,2]", "[1,9223372036854775808]"),
               "is 9223372036854775808"},
        BadRow{"AFraction", one_input("INT32", "[1,2]", "[1,1.5]"), "is 1.5"},
        BadRow{"AString", one_input("INT32", "[1,2]", "[1,\"2\"]"), "is \"2\""},
        BadRow{"ANull", one_input("INT32", "[1,2]", "[1,null]"), "is null"},
        BadRow{"ABoolean", one_input("INT32", "[1,2]", "[1,true]"), "is true"},
        BadRow{"TooFewElements", one_input("INT32", "[1,2]", "[1]"), "inputs[0].data: has 1 elements"},
        BadRow{"TooManyElements", one_input("INT32", "[1,2]", "[1,2,3]"), "has more than the 2 elements"},
        BadRow{"RaggedNesting", one_input("INT32", "[2,2]", "[[1,2],[3]]"),
               "inputs[0].data[1]: has 1 elements"},
        BadRow{"MixedNesting", one_input("INT32", "[2,2]", "[[1,2],3,4]"),
               "inputs[0].data[1]: must be a list"},
        BadRow{"TooDeepData", one_input("INT32", "[1,2]", "[[[1,2]]]"), "inputs[0].data[0]"},
        BadRow{"DataIsNoList", one_input("INT32", "[1,2]", "7"), "inputs[0].data: must be a list, is 7"},
        BadRow{"WrongDatatype", one_input("FP64", "[1,2]", "[1,2]"), "expected INT32, got FP64"},
        BadRow{"UnknownDatatype", one_input("FLOAT", "[1,2]", "[1,2]"), "'FLOAT' is not one of BOOL"},
        BadRow{"BytesAreNotServed", one_input("BYTES", "[1,2]", R"(["a","b"])"), "'BYTES' is not one of"},
        BadRow{"WrongShape", one_input("INT32", "[1,3]", "[1,2,3]"), "expected the shape [-1,2], got [1,3]"},
        BadRow{"WrongRank", one_input("INT32", "[2]", "[1,2]"), "expected the shape [-1,2], got [2]"},
        BadRow{"EmptyBatch", one_input("INT32", "[0,2]", "[]"), "the shape [0,2] holds 0"},
        BadRow{"NegativeDimension", one_input("INT32", "[-1,2]", "[1,2]"), "inputs[0].shape[0]"},
        BadRow{"FractionalDimension", one_input("INT32", "[1.0,2]", "[1,2]"), "inputs[0].shape[0]"},
        BadRow{"DimensionBeyondInt64", one_input("INT32", "[9223372036854775808,2]", "[1,2]"),
               "inputs[0].shape[0]"},
        BadRow{"OverflowingShape", one_input("INT32", "[4611686018427387905,2]", "[1,2]"),
               "more elements than"},
        BadRow{"MoreElementsThanBytes", one_input("INT32", "[100000,2]", "[1,2]"), "more elements than"},
        BadRow{"TooManyDimensions", one_input("INT32", "[1,1,1,1,1,1,1,1,1]", "[1]"),
               "more than the 8 dimensions"},
        BadRow{"NoInputs", "{}", "has no field 'inputs'"},
        BadRow{"MissingInput", R"({"inputs":[]})", "the input 'x' is missing"},
        BadRow{"ExtraInput",
               "{\"inputs\":[" + kTwo + R"(,{"name":"w","datatype":"INT32","shape":[1],"data":[1]}]})",
               "inputs[1]: 'w' is no input of this model; its inputs are: x"},
        BadRow{"DuplicateInput", "{\"inputs\":[" + kTwo + "," + kTwo + "]}", "the input 'x' is there twice"},
        BadRow{"InputsAreNoList", R"({"inputs":{}})", "inputs: must be a list"},
        BadRow{"InputIsNoObject", R"({"inputs":[1]})", "inputs[0]: must be an object"},
        BadRow{"NoName", R"({"inputs":[{"datatype":"INT32","shape":[1,2],"data":[1,2]}]})", "has no name"},
        BadRow{"NameIsANumber", R"({"inputs":[{"name":1}]})", "inputs[0].name: must be a string"},
        BadRow{"NoDatatype", R"({"inputs":[{"name":"x","shape":[1,2],"data":[1,2]}]})", "has no datatype"},
        BadRow{"NoShape", R"({"inputs":[{"name":"x","datatype":"INT32","data":[1,2]}]})", "has no shape"},
        BadRow{"NoData", R"({"inputs":[{"name":"x","datatype":"INT32","shape":[1,2]}]})",
               "must have either data"},
        BadRow{"ReservedParameter", "{\"inputs\":[" + kTwo + R"(],"parameters":{"pilotlight_peer":1}})",
               "parameters.pilotlight_peer: is a reserved name"},
        BadRow{"SharedMemory", "{\"inputs\":[" + kTwo + R"(],"parameters":{"shared_memory_region":"r"}})",
               "shared memory is not offered"},
        BadRow{"UnknownOutput", "{\"inputs\":[" + kTwo + R"(],"outputs":[{"name":"w"}]})",
               "'w' is no output"},
        BadRow{"DuplicateOutput", "{\"inputs\":[" + kTwo + R"(],"outputs":[{"name":"y"},{"name":"y"}]})",
               "the output 'y' is there twice"},
        BadRow{"Classification",
               "{\"inputs\":[" + kTwo + R"(],"outputs":[{"name":"y","parameters":{"classification":1}}]})",
               "/predict"},
        BadRow{"LongId", "{\"inputs\":[" + kTwo + "],\"id\":\"" + std::string(300, 'i') + "\"}",
               "id: is longer"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(RequestTest, NumbersThatTheirTypeCannotHoldAreRefusedAndNotRounded) {
  const auto refused = [&](Datatype type, std::string_view name, std::string_view value) {
    const auto request = infer(one_input(name, "[1]", std::format("[{}]", value)), contract_of(type, {1}));
    EXPECT_FALSE(request) << name << " " << value;
    if (request) return;
    EXPECT_THAT(request.error().message, HasSubstr(value));
  };
  refused(Datatype::kUint8, "UINT8", "257");
  refused(Datatype::kUint8, "UINT8", "-1");
  refused(Datatype::kInt8, "INT8", "128");
  refused(Datatype::kInt64, "INT64", "9223372036854775808");
  refused(Datatype::kInt64, "INT64", "1e3");
  refused(Datatype::kFp16, "FP16", "65520");
  refused(Datatype::kBf16, "BF16", "3.4e39");
  refused(Datatype::kFp32, "FP32", "3.5e38");
  refused(Datatype::kFp64, "FP64", "1e309");
  refused(Datatype::kBool, "BOOL", "1");
}

TEST_F(RequestTest, BatchesMustAgree) {
  auto contract = contract_of(Datatype::kInt32, {-1});
  contract.inputs.push_back({.name = "z", .datatype = Datatype::kInt32, .shape = {{-1}}, .labels = {}});
  const auto request = infer(R"({"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[1]},
                                           {"name":"z","datatype":"INT32","shape":[2],"data":[1,2]}]})",
                             contract);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().message, "the inputs 'x' and 'z' have batches of 1 and 2");
}

TEST_F(RequestTest, AFullArenaIsBusyAndAnInputThatNeverFitsTooLarge) {
  const auto contract = contract_of(Datatype::kFp64, {-1});
  const auto blocker = heap_.allocate(kArena - 64);
  const auto waits = infer(one_input("FP64", "[16]", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"), contract);
  ASSERT_FALSE(waits);
  EXPECT_EQ(waits.error().status, 503);
  std::string zeros = "[0";
  for (std::uint64_t i = 1; i < kArena / 8 + 1; ++i) zeros += ",0";
  const auto never = infer(one_input("FP64", std::format("[{}]", kArena / 8 + 1), zeros + "]"), contract);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().status, 413);
}

TEST_F(RequestTest, WhatWasRefusedGivesItsRoomBack) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(infer(one_input("FP64", "[16000]", "[" + std::string(40000, '1') + "]"),
                       contract_of(Datatype::kFp64, {-1})));
  }
  EXPECT_TRUE(heap_.allocate(kArena));
}

// Binary tensors.

std::string binary_head(std::string_view shape, std::string_view size) {
  return std::format(
      R"({{"inputs":[{{"name":"x","datatype":"INT32","shape":{},"parameters":{{"binary_data_size":{}}}}}]}})",
      shape, size);
}

TEST_F(RequestTest, BinaryInputsFollowTheJson) {
  const auto head = binary_head("[1,2]", "8");
  const auto request =
      infer(head + std::string("\1\0\0\0\2\0\0\0", 8), contract_of(Datatype::kInt32, {-1, 2}), head.size());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<std::int32_t>(request->inputs), ElementsAre(1, 2));
}

TEST_F(RequestTest, SeveralBinaryInputsFollowInTheRequestsOrder) {
  auto contract = contract_of(Datatype::kUint8, {1});
  contract.inputs.push_back({.name = "z", .datatype = Datatype::kUint8, .shape = {{2}}, .labels = {}});
  const std::string head =
      R"({"inputs":[{"name":"z","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}},
                    {"name":"x","datatype":"UINT8","shape":[1],"parameters":{"binary_data_size":1}}]})";
  const auto request = infer(head + "\1\2\3", contract, head.size());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<std::uint8_t>(request->inputs, 0), ElementsAre(3));
  EXPECT_THAT(values<std::uint8_t>(request->inputs, 1), ElementsAre(1, 2));
}

TEST_F(RequestTest, BinaryFramesThatDoNotAddUpAreRefused) {
  const auto contract = contract_of(Datatype::kInt32, {-1, 2});
  const auto refused = [&](const std::string& head, std::size_t bytes, const char* says,
                           std::optional<std::uint64_t> length = {}) {
    const auto request = infer(head + std::string(bytes, '\0'), contract, length.value_or(head.size()));
    ASSERT_FALSE(request) << says;
    EXPECT_EQ(request.error().status, 400);
    EXPECT_THAT(request.error().message, HasSubstr(says));
  };
  refused(binary_head("[1,2]", "8"), 7, "only 7 bytes are left");
  refused(binary_head("[1,2]", "8"), 9, "1 bytes follow the last");
  refused(binary_head("[1,2]", "12"), 12, "binary_data_size: is 12, but INT32 of shape [1,2] has 8 bytes");
  refused(binary_head("[1,2]", "-8"), 8, "must be a number of bytes");
  refused(binary_head("[1,2]", "18446744073709551616"), 8, "must be a number of bytes");
  refused(binary_head("[4611686018427387905,2]", "8"), 8, "too many bytes");
  refused(binary_head("[1,2]", "8"), 8, "Inference-Header-Content-Length is 9999", 9999);
  refused(binary_head("[1,2]", "8"), 8, "not valid JSON", 10);
  refused(
      R"({"inputs":[{"name":"x","datatype":"INT32","shape":[1,2],"data":[1,2],"parameters":{"binary_data_size":8}}]})",
      8, "either data or");
}

TEST_F(RequestTest, BinaryBooleansAreZeroOrOne) {
  const std::string head =
      R"({"inputs":[{"name":"x","datatype":"BOOL","shape":[2],"parameters":{"binary_data_size":2}}]})";
  EXPECT_TRUE(infer(head + std::string("\1\0", 2), contract_of(Datatype::kBool, {2}), head.size()));
  EXPECT_FALSE(infer(head + std::string("\1\2", 2), contract_of(Datatype::kBool, {2}), head.size()));
}

TEST_F(RequestTest, AHeaderOfZeroMeansThatTheBodyIsTheTensor) {
  const auto contract = contract_of(Datatype::kInt32, {-1, 2});
  const auto request = infer(std::string("\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0", 16), contract, 0);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<std::int32_t>(request->inputs), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(request->binary_default);
  EXPECT_FALSE(infer(std::string(12, '\0'), contract, 0));
  EXPECT_FALSE(infer("", contract, 0));
  EXPECT_FALSE(infer(std::string(16, '\0'), contract_of(Datatype::kInt32, {-1, -1}), 0));
}

TEST_F(RequestTest, AnErrorShowsOfTheClientsKeysWhatFitsASentence) {
  const auto contract = contract_of(Datatype::kFp32, {-1, 2});
  const std::string key(10'000, 'k');
  const auto long_key = infer(R"({")" + key + R"(":[1,tru]})", contract);
  ASSERT_FALSE(long_key);
  EXPECT_LT(long_key.error().message.size(), 200U);
  const auto odd_key = infer(R"({"a\u001bb":{"":[nul]}})", contract);
  ASSERT_FALSE(odd_key);
  EXPECT_THAT(odd_key.error().message, HasSubstr("a?b.[0]"));
}

TEST_F(RequestTest, AnEmptyTensorIsNoLicenceForABillionLists) {
  const auto contract = contract_of(Datatype::kFp32, {-1, 0});
  EXPECT_TRUE(infer(one_input("FP32", "[2,0]", "[]"), contract));
  EXPECT_THAT(infer(one_input("FP32", "[1099511627776,0]", "[]"), contract).error().message,
              HasSubstr("more elements than the request has bytes"));
}

// /predict.

TEST_F(RequestTest, PredictTakesAnInstanceOrABatchByRank) {
  const auto contract = contract_of(Datatype::kFp32, {-1, 2});
  const auto single = predict("[1,2]", contract);
  ASSERT_TRUE(single) << single.error().message;
  EXPECT_TRUE(single->single);
  EXPECT_THAT(values<float>(single->inputs), ElementsAre(1, 2));
  EXPECT_EQ(single->inputs.tensors[0].rank, 2);
  for (const auto* body : {"[[1,2],[3,4]]", R"({"instances":[[1,2],[3,4]]})", R"({"x":[[1,2],[3,4]]})",
                           R"({"inputs":{"x":[[1,2],[3,4]]}})", R"({"inputs":[[1,2],[3,4]]})"}) {
    const auto batch = predict(body, contract);
    ASSERT_TRUE(batch) << body << ": " << batch.error().message;
    EXPECT_FALSE(batch->single);
    EXPECT_THAT(values<float>(batch->inputs), ElementsAre(1, 2, 3, 4)) << body;
  }
}

TEST_F(RequestTest, PredictTakesEmptyListsWhereTheModelDoes) {
  const auto request = predict("[[],[]]", contract_of(Datatype::kFp32, {-1, 0}));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_THAT(values<float>(request->inputs), ElementsAre());
}

TEST_F(RequestTest, PredictNamesTheFieldAndTheExpectedShape) {
  const auto contract = contract_of(Datatype::kFp32, {-1, 2});
  const auto message = [&](const std::string& body) {
    const auto request = predict(body, contract);
    return request ? std::string("accepted") : request.error().message;
  };
  EXPECT_EQ(message(R"({"x":[1,2,3]})"),
            "x: the input 'x' expects the shape [-1,2] for a batch, or [2] for one instance; got [3]");
  EXPECT_EQ(message("[[1,2],[3]]"), "[1]: has 1 elements, its shape asks for 2");
  EXPECT_EQ(message("[[1,2],[3,\"4\"]]"), "[1][1]: must be a number that FP32 can hold, is \"4\"");
  EXPECT_THAT(message("[]"), HasSubstr("got [0]"));
  EXPECT_THAT(message("[[]]"), HasSubstr("got [1,0]"));
  EXPECT_THAT(message("7"), HasSubstr("must be a list"));
  EXPECT_THAT(message(R"({"w":[1,2]})"), HasSubstr("'w' is no input of this model; its inputs are: x"));
  EXPECT_THAT(message(R"({"x":[1,2],"x":[1,2]})"), HasSubstr("'x' twice"));
  EXPECT_THAT(message(R"({"x":[1,2],"instances":[[1,2]]})"), HasSubstr("there twice"));
  EXPECT_THAT(message("{}"), HasSubstr("the input 'x' is missing"));
  EXPECT_THAT(message("[1,2] x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("[1,2] []"), HasSubstr("something behind"));
  EXPECT_THAT(message(deep(20)), HasSubstr("nested deeper than 8"));
  EXPECT_THAT(message(""), HasSubstr("is empty"));
}

TEST_F(RequestTest, PredictRefusesAnInstanceBesideABatch) {
  auto contract = contract_of(Datatype::kFp32, {-1, 2});
  contract.inputs.push_back({.name = "z", .datatype = Datatype::kFp32, .shape = {{-1}}, .labels = {}});
  const auto request = predict(R"({"x":[1,2],"z":[3]})", contract);
  ASSERT_FALSE(request);
  EXPECT_THAT(request.error().message, HasSubstr("some inputs are one instance and some a batch"));
  EXPECT_THAT(predict("[1,2]", contract).error().message,
              HasSubstr("must be an object of the model's inputs: x, z"));
  EXPECT_TRUE(predict(R"({"x":[1,2],"z":3})", contract));
}

}  // namespace
}  // namespace pilotlight::front
