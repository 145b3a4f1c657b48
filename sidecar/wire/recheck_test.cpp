#include "sidecar/wire/recheck.h"

#include <gtest/gtest.h>

namespace pilotlight::wire {
namespace {

using nlohmann::json;

TEST(Recheck, IsReadAsItWasWritten) {
  const Recheck recheck{.id = 7, .golden_case = 2};
  EXPECT_EQ(recheck_from_json(to_json(recheck)), recheck);
  const Rechecked passed{.id = 7, .golden_case = "batch-8", .worst_error = {{"error", 1e-7}}, .failure = {}};
  EXPECT_EQ(rechecked_from_json(to_json(passed)), passed);
  const Rechecked failed{.id = 7,
                         .golden_case = "batch-8",
                         .worst_error = {},
                         .failure = Failure{.failure_class = FailureClass::kPod, .reason = "GoldenMismatch"}};
  EXPECT_EQ(rechecked_from_json(to_json(failed)), failed);
}

TEST(Recheck, AnErrorNamesTheField) {
  EXPECT_EQ(recheck_from_json(json::array()).error(), "id must be a whole number");
  EXPECT_EQ(recheck_from_json({{"id", -1}, {"case", 0}}).error(), "id must be a whole number");
  EXPECT_EQ(recheck_from_json({{"id", 1U}, {"case", "0"}}).error(), "case must be a whole number");
  EXPECT_EQ(rechecked_from_json(json("x")).error(), "id must be a whole number");
  EXPECT_EQ(rechecked_from_json({{"id", 1U}, {"failure", 5}}).error(), "failure must be an object");
}

TEST(Rechecked, ThatSaysNothingIsNoPass) {
  EXPECT_EQ(rechecked_from_json({{"id", 1U}, {"case", "a"}}).error(),
            "neither worstError nor failure is there");
  EXPECT_EQ(rechecked_from_json({{"id", 1U}, {"worstError", nullptr}}).error(),
            "neither worstError nor failure is there");
}

}  // namespace
}  // namespace pilotlight::wire
