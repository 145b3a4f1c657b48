#include "operator/analysis/sentence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "operator/analysis/weigh.h"

namespace pilotlight::analysis {
namespace {

Settings ErrorsOnly() {
  Settings settings;
  settings.metrics = {{Metric::kErrors, {}}};
  return settings;
}

Segment Errors(double weight, std::vector<PodEvents> candidate, Events stable) {
  Segment segment{.weight = weight};
  for (const PodEvents& pod : candidate) segment.assigned.candidate += pod.events.requests;
  segment.assigned.stable = stable.requests;
  segment.streams[Metric::kErrors] = {.candidate = std::move(candidate), .stable = stable};
  return segment;
}

TEST(ASentence, HasAllNumbersOfTheTestThatAborts) {
  const MetricEvidence evidence =
      Weigh(ErrorsOnly(), {Metric::kErrors, {}}, {Errors(0.1, {{"a", {240, 12}}}, {2160, 3})});
  // As in docs/analysis.md.
  EXPECT_EQ(AbortSentence(evidence),
            "errors: candidate 12 of 240, stable 3 of 2160, p0 0.143, E 3.5e6 ≥ 1e2");
  EXPECT_NEAR(std::exp(evidence.log_e), 3522347.97, 0.01);
}

TEST(ASentence, HasThoseOfEachSegment) {
  const MetricEvidence evidence =
      Weigh(ErrorsOnly(), {Metric::kErrors, {}},
            {Errors(0.1, {{"a", {240, 1}}}, {2160, 3}), Errors(0.5, {{"a", {100, 0}}}, {100, 1})});
  EXPECT_EQ(AbortSentence(evidence),
            "errors: candidate 1 of 240, stable 3 of 2160, p0 0.143, E 5.5e-1; then candidate 0 of 100, "
            "stable 1 of "
            "100, p0 0.6, E 5e-1; in all E 2.8e-1 < 1e2");
}

TEST(ASentence, NamesTheWorstPod) {
  const MetricEvidence evidence = Weigh(ErrorsOnly(), {Metric::kErrors, {}},
                                        {Errors(0.1, {{"a", {120, 12}}, {"b", {120, 0}}}, {2160, 3})});
  EXPECT_EQ(
      AbortSentence(evidence),
      "errors: candidate 12 of 240, stable 3 of 2160, p0 0.143, E 3.5e6 ≥ 1e2, without pod a E 2.5e-1 < 3");
}

TEST(ASentence, SaysWhatALatencyIsComparedWith) {
  Segment segment{.weight = 0.5, .assigned = {100, 100}};
  segment.streams[Metric::kLatency] = {.candidate = {{"a", {100, 9}, {100, 4}}}, .stable = {100, 5}};
  const MetricEvidence evidence = Weigh(ErrorsOnly(), {Metric::kLatency, {}}, {segment});
  EXPECT_TRUE(AbortSentence(evidence).starts_with("latency over 1.5 × the threshold: candidate 4 of 100, "));
}

TEST(ASentence, LeavesStableOutWhereThereIsALimit) {
  Segment segment{.weight = 0.5};
  segment.streams[Metric::kProbes] = {.candidate = {{"a", {3, 3}}}};
  const MetricEvidence evidence = Weigh(ErrorsOnly(), {Metric::kProbes, {}}, {segment});
  EXPECT_EQ(AbortSentence(evidence), "golden requests: candidate 3 of 3, p0 0.005, E 2e6 ≥ 1e2");
}

TEST(ASentence, OfPromotionHasTheBoundAndWhatIsAllowed) {
  const MetricEvidence evidence =
      Weigh(ErrorsOnly(), {Metric::kErrors, {}}, {Errors(0.1, {{"a", {1000, 1}}}, {9000, 9})});
  EXPECT_EQ(
      PromoteSentence(evidence, ErrorsOnly()),
      "errors: candidate 1 of 1000, at most 0.473 % with 95 % confidence, stable 9 of 9000, allowed 0.5 %");
}

TEST(APower, OfAnySizeIsWritten) {
  EXPECT_EQ(Power(0), "1");
  EXPECT_EQ(Power(std::log(200)), "2e2");
  EXPECT_EQ(Power(std::log(9.96)), "1e1");
  EXPECT_EQ(Power(std::log(1.74)), "1.7");
  EXPECT_EQ(Power(std::log(0.002)), "2e-3");
  EXPECT_EQ(Power(1e9), "8e434294481");
}

TEST(AShareInWords, HasBothAndTheTolerance) {
  EXPECT_EQ(ShareSentence(ObservedShare(0.1, {52, 948})), "observed weight 5.2 %, wanted 10 % ± 2.85 %");
}

}  // namespace
}  // namespace pilotlight::analysis
