#include "sidecar/wire/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <limits>

namespace pilotlight::wire {
namespace {

using testing::HasSubstr;

Tensor floats(std::uint64_t offset, std::int64_t rows) {
  Tensor tensor{.datatype = Datatype::kFp32, .rank = 2, .shape = {rows, 4}, .offset = offset, .bytes = 0};
  tensor.bytes = static_cast<std::uint64_t>(rows) * 16;
  return tensor;
}

Infer two_tensors() {
  Infer infer{};
  infer.kind = Kind::kInfer;
  infer.tensor_count = 2;
  infer.id = 42;
  infer.tensors[0] = floats(0, 1);
  infer.tensors[1] = floats(16, 2);
  return infer;
}

TEST(Infer, IsSentOnlyAsLongAsItsTensors) {
  const Infer infer = two_tensors();
  const auto bytes = infer_bytes(infer);
  EXPECT_EQ(bytes.size(), offsetof(Infer, tensors) + 2 * sizeof(Tensor));
  const auto parsed = parse_infer(bytes);
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->id, 42U);
  EXPECT_EQ(parsed->tensors[1].offset, 16U);
}

TEST(Infer, MalformedPacketsAreRefused) {
  const auto error = [](const auto& change) {
    Infer infer = two_tensors();
    std::size_t bytes = offsetof(Infer, tensors) + 2 * sizeof(Tensor);
    change(infer, bytes);
    const auto parsed = parse_infer(std::as_bytes(std::span(&infer, 1)).first(bytes));
    return parsed ? "" : parsed.error();
  };
  EXPECT_EQ(error([](Infer&, std::size_t&) {}), "");
  EXPECT_THAT(error([](Infer&, std::size_t& bytes) { bytes = 7; }), HasSubstr("too short"));
  EXPECT_THAT(error([](Infer&, std::size_t& bytes) { --bytes; }), HasSubstr("lacks"));
  EXPECT_THAT(error([](Infer&, std::size_t& bytes) { ++bytes; }), HasSubstr("trailing"));
  EXPECT_THAT(error([](Infer& infer, std::size_t&) { infer.kind = Kind::kResult; }), HasSubstr("kind 6"));
  EXPECT_THAT(error([](Infer& infer, std::size_t&) { infer.tensor_count = 65; }), HasSubstr("65 tensors"));
  EXPECT_THAT(error([](Infer& infer, std::size_t&) { infer.tensor_count = ~0U; }), HasSubstr("tensors"));
  EXPECT_THAT(error([](Infer& infer, std::size_t&) { infer.tensors[1].rank = 9; }), HasSubstr("rank 9"));
}

TEST(Result, BringsNamesWhereTheContractHasNone) {
  Result result{};
  result.kind = Kind::kResult;
  result.tensor_count = 2;
  const auto with = parse_result(result_bytes(result, std::vector<std::string>{"boxes", "scores"}));
  ASSERT_TRUE(with) << with.error();
  EXPECT_THAT(with->names, testing::ElementsAre("boxes", "scores"));
  const auto without = parse_result(result_bytes(result));
  ASSERT_TRUE(without) << without.error();
  EXPECT_TRUE(without->names.empty());
}

TEST(Result, NamesThatDoNotMatchAreRefused) {
  Result result{};
  result.kind = Kind::kResult;
  result.tensor_count = 2;
  EXPECT_FALSE(parse_result(result_bytes(result, std::vector<std::string>{"one"})));
  EXPECT_FALSE(parse_result(result_bytes(result, std::vector<std::string>{"one", ""})));
  EXPECT_FALSE(parse_result(result_bytes(result, std::vector<std::string>{"one", std::string(200, 'x')})));
  auto open_ended = result_bytes(result, std::vector<std::string>{"one", "two"});
  open_ended.pop_back();
  EXPECT_FALSE(parse_result(open_ended));
}

TEST(CheckTensor, HoldsTensorsToTheirRegion) {
  const auto error = [](const auto& change) {
    Tensor tensor = floats(128, 2);
    change(tensor);
    const auto checked = check_tensor(tensor, 128, 32);
    return checked ? "" : checked.error();
  };
  EXPECT_EQ(error([](Tensor&) {}), "");
  EXPECT_THAT(error([](Tensor& tensor) { tensor.offset = 127; }), HasSubstr("outside"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.offset = 129; }), HasSubstr("outside"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.offset = 161; }), HasSubstr("outside"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.offset = ~0ULL; }), HasSubstr("outside"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.bytes = 31; }),
              HasSubstr("31 bytes for shape [2,4] of FP32"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.shape[0] = -2; }), HasSubstr("shape"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.shape[0] = std::numeric_limits<std::int64_t>::max(); }),
              HasSubstr("shape"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.datatype = static_cast<Datatype>(99); }), HasSubstr("99"));
  EXPECT_THAT(error([](Tensor& tensor) { tensor.rank = 100; }), HasSubstr("rank 100"));
}

TEST(CheckTensor, RefusesEmptyTensorsThatTakeForeverToWrite) {
  const auto empty = [](std::int64_t lists) {
    const Tensor tensor{
        .datatype = Datatype::kFp32, .rank = 2, .shape = {lists, 0}, .offset = 128, .bytes = 0};
    return check_tensor(tensor, 128, 32);
  };
  EXPECT_TRUE(empty(0));
  EXPECT_TRUE(empty(32));
  ASSERT_FALSE(empty(std::int64_t{1} << 40));
  EXPECT_THAT(empty(std::int64_t{1} << 40).error(), HasSubstr("[1099511627776,0] has more empty lists"));
}

}  // namespace
}  // namespace pilotlight::wire
