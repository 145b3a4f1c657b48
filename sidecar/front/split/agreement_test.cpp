#include "sidecar/front/split/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "sidecar/front/narrow_floats.h"

namespace pilotlight::front {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A tensor and what it is made of.
template <class T>
struct Made {
  std::vector<T> numbers;
  wire::Datatype datatype = wire::Datatype::kFp32;
  std::vector<std::int64_t> shape = {static_cast<std::int64_t>(numbers.size())};
  std::string name = "y";

  OutputTensor tensor() const {
    return {.name = name, .datatype = datatype, .shape = shape, .bytes = std::as_bytes(std::span(numbers))};
  }
};
using Floats = Made<float>;

template <class T>
Agreement compared(const Made<T>& expected, const Made<T>& actual, const Tolerance& tolerance = {}) {
  const std::vector<OutputTensor> e = {expected.tensor()};
  const std::vector<OutputTensor> a = {actual.tensor()};
  return compare(e, a, tolerance);
}

bool agree(std::vector<float> expected, std::vector<float> actual, const Tolerance& tolerance = {}) {
  return compared(Floats{std::move(expected)}, Floats{std::move(actual)}, tolerance).agreed;
}

TEST(Agreement, ANumberMayBeOffByTheToleranceOfTheWholeTensorAndItsOwn) {
  EXPECT_TRUE(agree({1, 2, 3}, {1, 2, 3}));
  const Tolerance absolute{.absolute = 0.25, .relative = 0};
  EXPECT_TRUE(agree({0, 2}, {0.5F, 2}, absolute)) << "a quarter of the greatest, 2";
  EXPECT_FALSE(agree({0, 2}, {0.51F, 2}, absolute));
  EXPECT_TRUE(agree({0, -2}, {-0.5F, -2}, absolute)) << "the greatest by its size";
  EXPECT_FALSE(agree({0, 1}, {0, 8}, absolute)) << "the greatest of what is expected";
  const Tolerance relative{.absolute = 0, .relative = 0.25};
  EXPECT_TRUE(agree({-4, 1}, {-5, 1}, relative));
  EXPECT_FALSE(agree({-4, 1}, {-4, 1.5F}, relative));
  EXPECT_TRUE(agree({-4, 4}, {-6, 4}, {.absolute = 0.25, .relative = 0.25})) << "they add up";
}

TEST(Agreement, OneNumberOfManyIsEnough) {
  std::vector<float> numbers(1000, 1);
  auto others = numbers;
  others[999] = 1.001F;
  EXPECT_FALSE(agree(numbers, others));
}

TEST(Agreement, WhatIsNotFiniteEqualsItselfOnly) {
  EXPECT_TRUE(agree({kNan, 1}, {kNan, 1}));
  EXPECT_TRUE(agree({kInfinity, -kInfinity}, {kInfinity, -kInfinity}));
  EXPECT_FALSE(agree({kNan}, {1}));
  EXPECT_FALSE(agree({1}, {kNan}));
  EXPECT_FALSE(agree({kInfinity}, {-kInfinity}));
  EXPECT_FALSE(agree({kInfinity}, {1})) << "its tolerance would be infinite";
  EXPECT_FALSE(agree({1, kInfinity}, {5, kInfinity})) << "and so would the whole tensor's";
  EXPECT_FALSE(agree({1}, {kInfinity}));
}

TEST(Agreement, WholeNumbersMustBeEqual) {
  const Tolerance any{.absolute = 10, .relative = 10};
  using Integers = Made<std::int64_t>;
  const auto integers = [](std::int64_t number) { return Integers{{number}, wire::Datatype::kInt64}; };
  EXPECT_TRUE(compared(integers(7), integers(7), any).agreed);
  EXPECT_FALSE(compared(integers(7), integers(8), any).agreed);
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  EXPECT_FALSE(compared(integers(large), integers(large - 1), any).agreed) << "which are one as doubles";
  using Bytes = Made<std::uint8_t>;
  const auto boolean = [](std::uint8_t byte) { return Bytes{{byte}, wire::Datatype::kBool}; };
  EXPECT_FALSE(compared(boolean(0), boolean(1), any).agreed);
  EXPECT_TRUE(compared(boolean(1), boolean(7), any).agreed) << "both are true";
}

TEST(Agreement, NarrowFloatsHaveTolerancesToo) {
  using Halves = Made<Float16>;
  const Halves expected{{Float16{1}, Float16{2}}, wire::Datatype::kFp16};
  const Halves actual{{Float16{1}, static_cast<Float16>(2.5F)}, wire::Datatype::kFp16};
  EXPECT_FALSE(compared(expected, actual).agreed);
  EXPECT_TRUE(compared(expected, actual, {.absolute = 0.25, .relative = 0}).agreed);
}

TEST(Agreement, DifferencesAreThoseOfFiniteNumbers) {
  const auto found = compared(Floats{{1, 2, kNan, 4, kInfinity}}, Floats{{1.5F, 1, 3, 4, 5}});
  EXPECT_FALSE(found.agreed);
  EXPECT_EQ(found.elements, 3);
  EXPECT_EQ(found.difference_sum, 1.5);
  EXPECT_EQ(found.worst_difference, 1);
}

TEST(Agreement, EachOutputIsThereAsItWas) {
  const Floats y{{1, 2}};
  const Floats z{.numbers = {3}, .name = "z"};
  const std::vector<OutputTensor> both = {y.tensor(), z.tensor()};
  const std::vector<OutputTensor> turned = {z.tensor(), y.tensor()};
  const std::vector<OutputTensor> one = {y.tensor()};
  EXPECT_TRUE(compare(both, turned, {}).agreed) << "by their names";
  EXPECT_FALSE(compare(both, one, {}).agreed);
  EXPECT_TRUE(compare(one, both, {}).agreed) << "one more harms nobody";
  EXPECT_FALSE(compare(both, {}, {}).agreed);
  EXPECT_FALSE(
      compared(Floats{.numbers = {1, 2}, .shape = {1, 2}}, Floats{.numbers = {1, 2}, .shape = {2, 1}})
          .agreed);
  EXPECT_FALSE(compared(Floats{{1, 2}}, Floats{{1, 2, 3}}).agreed);
  const Floats integers{.numbers = y.numbers, .datatype = wire::Datatype::kInt32};
  const std::vector<OutputTensor> other_type = {integers.tensor()};
  EXPECT_FALSE(compare(one, other_type, {}).agreed);
  EXPECT_EQ(compare(one, other_type, {}).elements, 0);
}

TEST(Agreement, ARowIsAsGoodAsThePlaceOfItsGreatest) {
  const std::vector<std::int64_t> shape = {3, 2};
  auto found = compared(Floats{.numbers = {1, 2, 5, 3, 0, 0}, .shape = shape},
                        Floats{.numbers = {7, 8, 1, 3, 0, 0}, .shape = shape});
  EXPECT_EQ(found.rows, 3);
  EXPECT_EQ(found.rows_agreed, 2) << "of equals the first is the greatest";
  EXPECT_FALSE(found.agreed);
  found = compared(Floats{.numbers = {1, 2, 3, 4, 5, 6}, .shape = {6, 1}},
                   Floats{.numbers = {1, 2, 3, 4, 5, 6}, .shape = {6, 1}});
  EXPECT_EQ(found.rows, 0) << "one class is none";
  found = compared(Floats{{1, 2, 3}}, Floats{{1, 2, 3}});
  EXPECT_EQ(found.rows, 0) << "this may be a batch of single numbers";
}

TEST(Agreement, WithoutElementsThereIsNothingToDisagreeOn) {
  const auto found = compared(Floats{.numbers = {}, .shape = {0, 3}}, Floats{.numbers = {}, .shape = {0, 3}});
  EXPECT_TRUE(found.agreed);
  EXPECT_EQ(found.rows, 0);
  EXPECT_EQ(found.elements, 0);
}

}  // namespace
}  // namespace pilotlight::front
