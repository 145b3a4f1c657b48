#include "sidecar/engine/bundle/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "sidecar/engine/testing/archives.h"

namespace pilotlight::engine {
namespace {

using testing::bytes;
using ::testing::HasSubstr;
using testing::write_safetensors;

std::string tensors_error_of(const std::string& file) {
  const auto tensors = read_safetensors(bytes(file));
  return tensors ? "" : tensors.error();
}

std::string header_error(const std::string& header, std::size_t data) {
  return tensors_error_of(write_safetensors(header, std::string(data, '\0')));
}

TEST(Safetensors, AreReadInPlace) {
  const std::string file =
      write_safetensors({testing::floats("b", {2, 1}, {1.5F, 2.5F}), testing::floats("a", {}, {7}),
                         testing::floats("none", {0, 3}, {})});
  const auto tensors = read_safetensors(bytes(file));
  ASSERT_TRUE(tensors) << tensors.error();
  ASSERT_EQ(tensors->size(), 3U);
  const StoredTensor& b = tensors->at("b");
  EXPECT_EQ(b.datatype, wire::Datatype::kFp32);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 1}));
  float value = 0;
  std::memcpy(&value, b.data.data() + 4, sizeof value);
  EXPECT_EQ(value, 2.5F);
  EXPECT_TRUE(tensors->at("none").data.empty());
}

TEST(Safetensors, MetadataIsPassedOverAndSpacesMayFollowTheHeader) {
  EXPECT_EQ(
      header_error(
          R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   )", 2),
      "");
}

TEST(Safetensors, LengthsThatLieAreRefused) {
  EXPECT_THAT(tensors_error_of("short"), HasSubstr("too short"));
  std::string file = write_safetensors("{}", "");
  file[0] = 3;
  EXPECT_THAT(tensors_error_of(file), HasSubstr("the header is cut off"));
  file.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_THAT(tensors_error_of(file), HasSubstr("a header of 18446744073709551615 bytes"));
  EXPECT_THAT(tensors_error_of(write_safetensors(std::string(kMaxSafetensorsHeader + 1, ' '), "")),
              HasSubstr("a header of"));
}

struct BadHeader {
  const char* name;
  const char* header;
  std::size_t data;
  const char* says;
};

class BadSafetensors : public ::testing::TestWithParam<BadHeader> {};

TEST_P(BadSafetensors, IsRefused) {
  EXPECT_THAT(header_error(GetParam().header, GetParam().data), HasSubstr(GetParam().says));
}

const BadHeader kBad[] = {
    {"NoJson", "{", 0, "not a JSON object"},
    {"NoObject", "[]", 0, "not a JSON object"},
    {"Deep", R"({"a":[[[[[[[1]]]]]]]})", 0, "nested too deeply"},
    {"TensorIsNoObject", R"({"a":1})", 0, "\"a\": must be an object"},
    {"UnknownType", R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
     "\"F8_E4M3\" is not supported"},
    {"NoType", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "dtype \"\""},
    {"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "shape must be a list"},
    {"NegativeShape", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "whole numbers from 0"},
    {"FractionalShape", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1,
     "whole numbers from 0"},
    {"HugeShape", R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}})", 1,
     "whole numbers"},
    {"OverflowingShape", R"({"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
     "bytes for shape"},
    {"ManyDimensions", R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
     "9 dimensions"},
    {"WrongSize", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
     "4 bytes for shape [2] of FP32"},
    {"OneOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "must be two numbers"},
    {"BackwardOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "outside the file"},
    {"OffsetsBeyondTheFile", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1,
     "outside the file"},
    {"HugeOffsets",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551615]}})", 1,
     "outside the file"},
    {"Overlap",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
     3, "overlap or leave a gap"},
    {"Gap",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
     3, "overlap or leave a gap"},
    {"TensorTwice",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
     1, "the key \"a\" twice"},
    {"FieldTwice", R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1,
     "the key \"dtype\" twice"},
    {"ControlCharacters", R"({"a\u001b\n":1})", 0, "tensor \"a??\": must be an object"},
    {"LeftOver", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2, "left over"},
};
INSTANTIATE_TEST_SUITE_P(All, BadSafetensors, ::testing::ValuesIn(kBad),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace pilotlight::engine
