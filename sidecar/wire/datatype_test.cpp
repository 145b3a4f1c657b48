#include "sidecar/wire/datatype.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace pilotlight::wire {
namespace {

using Shape = std::vector<std::int64_t>;

TEST(Datatype, NamesAreThoseOfTheProtocolAndReadBack) {
  EXPECT_EQ(datatype_name(Datatype::kFp32), "FP32");
  EXPECT_EQ(datatype_name(Datatype::kBool), "BOOL");
  EXPECT_EQ(datatype_names(), "BOOL, UINT8, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64");
  for (const Datatype each : all_datatypes()) EXPECT_EQ(datatype_from_name(datatype_name(each)), each);
  EXPECT_FALSE(datatype_from_name("fp32"));
  EXPECT_FALSE(datatype_from_name("UINT64"));
}

TEST(Datatype, NumbersFromOutsideAreJudged) {
  EXPECT_FALSE(is_datatype(static_cast<Datatype>(0)));
  EXPECT_FALSE(is_datatype(static_cast<Datatype>(11)));
  EXPECT_EQ(element_bytes(static_cast<Datatype>(0xffffffff)), 0U);
  EXPECT_EQ(datatype_name(static_cast<Datatype>(0)), "");
  EXPECT_FALSE(byte_count(static_cast<Datatype>(0), Shape{1}));
}

TEST(ByteCount, MultipliesShapeAndDatatype) {
  EXPECT_EQ(byte_count(Datatype::kFp32, Shape{2, 3, 4}), 96U);
  EXPECT_EQ(byte_count(Datatype::kInt64, Shape{}), 8U);
  EXPECT_EQ(byte_count(Datatype::kFp16, Shape{5, 0}), 0U);
  EXPECT_FALSE(byte_count(Datatype::kFp16, Shape{-1, 2}));
}

TEST(ByteCount, RefusesProductsThatOverflow) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(byte_count(Datatype::kUint8, Shape{kMax, 3}));
  EXPECT_FALSE(byte_count(Datatype::kFp64, Shape{kMax, 1}));
  EXPECT_FALSE(byte_count(Datatype::kUint8, Shape{1LL << 32, 1LL << 32}));
  EXPECT_FALSE(byte_count(Datatype::kUint8, Shape{1LL << 32, 1LL << 32, 0}));
}

TEST(ShapeText, IsReadable) {
  EXPECT_EQ(shape_text(Shape{-1, 3, 8}), "[-1,3,8]");
  EXPECT_EQ(shape_text(Shape{}), "[]");
}

}  // namespace
}  // namespace pilotlight::wire
