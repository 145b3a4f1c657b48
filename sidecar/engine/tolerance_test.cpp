#include "sidecar/engine/tolerance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

namespace pilotlight::engine {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Deviation compared(const at::Tensor& actual, const at::Tensor& expected, double absolute, double relative) {
  return compare(actual, expected, scale_of(expected), {.absolute = absolute, .relative = relative});
}

at::Tensor doubles(const std::vector<double>& values) {
  return torch::tensor(values, at::kDouble);
}

TEST(Compare, AllowsAbsoluteTimesTheLargestPlusRelativeTimesEach) {
  const at::Tensor expected = doubles({100, 1, 0});
  // Element 1: 0.01·100 + 0.1·1 = 1.1.
  EXPECT_TRUE(compared(doubles({100, 2.09, 0}), expected, 0.01, 0.1).passes());
  EXPECT_FALSE(compared(doubles({100, 2.11, 0}), expected, 0.01, 0.1).passes());
  // Element 2, near zero: the absolute part alone, 1.
  EXPECT_TRUE(compared(doubles({100, 1, 0.99}), expected, 0.01, 0.1).passes());
  EXPECT_FALSE(compared(doubles({100, 1, -1.01}), expected, 0.01, 0.1).passes());
}

TEST(Compare, ReportsTheElementThatComesNearestToItsLimit) {
  const at::Tensor expected = torch::tensor({{10.0, 10.0}, {10.0, 0.0}}, at::kDouble);
  const at::Tensor actual = torch::tensor({{10.5, 10.0}, {10.0, 0.4}}, at::kDouble);
  const auto worst = compared(actual, expected, 0.1, 0.1);  // limits 2, 2, 2 and 1
  EXPECT_EQ(worst.index, (std::vector<std::int64_t>{1, 1}));
  EXPECT_DOUBLE_EQ(worst.error, 0.4);
  EXPECT_DOUBLE_EQ(worst.allowed, 1.0);
  EXPECT_EQ(worst.expected, 0.0);
  EXPECT_EQ(worst.actual, 0.4);
}

TEST(Compare, NaNEqualsOnlyNaNAndInfinityOnlyItself) {
  const auto passes = [](double actual, double expected) {
    return compared(doubles({1, actual}), doubles({1, expected}), 1, 1).passes();
  };
  EXPECT_TRUE(passes(kNaN, kNaN));
  EXPECT_FALSE(passes(kNaN, 1));
  EXPECT_FALSE(passes(1, kNaN));
  EXPECT_TRUE(passes(kInfinity, kInfinity));
  EXPECT_FALSE(passes(-kInfinity, kInfinity));
  EXPECT_FALSE(passes(1, kInfinity));
  EXPECT_FALSE(passes(kInfinity, 1));
  EXPECT_FALSE(passes(kInfinity, kNaN));
}

TEST(Compare, AnInfiniteElementDoesNotLoosenTheOthers) {
  EXPECT_FALSE(compared(doubles({kInfinity, 1.1}), doubles({kInfinity, 1}), 0.01, 0).passes());
  EXPECT_FALSE(compared(doubles({kNaN, 1.1}), doubles({kNaN, 1}), 0.01, 0).passes());
}

TEST(Compare, IntegersAreExactAlsoWhereDoublesAreNot) {
  const std::int64_t large = (1LL << 60) + 1;
  const at::Tensor expected = torch::tensor({large});
  EXPECT_TRUE(compare(expected, expected, scale_of(expected), {}).passes());
  EXPECT_FALSE(compare(expected - 1, expected, scale_of(expected), {}).passes());
  EXPECT_FALSE(compare(torch::tensor({true}), torch::tensor({false}), 1, {}).passes());
  const at::Tensor least = torch::tensor({std::numeric_limits<std::int64_t>::min()});
  EXPECT_FALSE(compare(least, torch::tensor({std::numeric_limits<std::int64_t>::max()}), 0, {}).passes());
}

TEST(Compare, NothingExpectedAndNothingGotPasses) {
  EXPECT_TRUE(compared(torch::empty({0, 3}), torch::empty({0, 3}), 0, 0).passes());
  EXPECT_TRUE(compared(doubles({0, 0}), doubles({0, 0}), 0, 0).passes());
  EXPECT_FALSE(compared(doubles({1e-30, 0}), doubles({0, 0}), 1, 1).passes());
}

TEST(Compare, HalfPrecisionIsComparedAsItIs) {
  const at::Tensor expected = torch::tensor({1.0, 2.0}, at::kHalf);
  EXPECT_TRUE(compared(expected * 1.005, expected, 1e-2, 0).passes());
  EXPECT_FALSE(compared(expected * 1.05, expected, 1e-2, 0).passes());
}

TEST(ToleranceFor, SpecGoesBeforeBundleBeforeDefault) {
  wire::LoadRequest request;
  Manifest manifest;
  using wire::Datatype;
  EXPECT_EQ(tolerance_for(Datatype::kFp32, request, manifest).absolute, 1e-4);
  EXPECT_EQ(tolerance_for(Datatype::kFp32, request, manifest).relative, 1e-4);
  EXPECT_EQ(tolerance_for(Datatype::kFp16, request, manifest).absolute, 1e-2);
  EXPECT_EQ(tolerance_for(Datatype::kBf16, request, manifest).relative, 3e-2);
  EXPECT_EQ(tolerance_for(Datatype::kFp32, request, manifest).source, "default");
  manifest.absolute_tolerance = 0.5;
  EXPECT_EQ(tolerance_for(Datatype::kFp16, request, manifest).absolute, 0.5);
  EXPECT_EQ(tolerance_for(Datatype::kFp16, request, manifest).relative, 1e-2);
  EXPECT_EQ(tolerance_for(Datatype::kFp16, request, manifest).source, "bundle");
  request.absolute_tolerance = 0.25;
  EXPECT_EQ(tolerance_for(Datatype::kFp32, request, manifest).absolute, 0.25);
  EXPECT_EQ(tolerance_for(Datatype::kFp32, request, manifest).source, "spec");
  const auto exact = tolerance_for(Datatype::kInt64, request, manifest);
  EXPECT_EQ(exact.absolute, 0);
  EXPECT_EQ(exact.relative, 0);
}

}  // namespace
}  // namespace pilotlight::engine
