#include "operator/analysis/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace pilotlight::analysis {
namespace {

using ::testing::HasSubstr;

// A first step at 10 % in which the candidate does as well as stable.
class AStep : public ::testing::Test {
 protected:
  AStep() {
    settings_.metrics = {{Metric::kErrors, {}}};
    observed_.segments = {Segment{.weight = 0.1, .assigned = {1000, 9000}}};
    Errors() = {.candidate = {{"a", {1000, 1}}}, .stable = {9000, 9}};
    observed_.candidate = {1000, 1};
    observed_.elapsed = std::chrono::minutes(5);
  }
  Stream& Of(Metric metric) { return observed_.segments.back().streams[metric]; }
  Stream& Errors() { return Of(Metric::kErrors); }
  Verdict Now() const { return Judge(settings_, observed_); }
  std::string Reason() const { return Now().reason; }
  void ExpectOnly(Outcome outcome, const std::string& reason, const std::string& in_message = "") const {
    const Verdict verdict = Now();
    EXPECT_EQ(verdict.outcome, outcome) << verdict.reason << ": " << verdict.message;
    EXPECT_EQ(verdict.reason, reason) << verdict.message;
    EXPECT_THAT(verdict.message, HasSubstr(in_message));
  }

  Settings settings_;
  Observed observed_;
};

TEST_F(AStep, PassesWhereTheCandidateIsAsGood) {
  ExpectOnly(Outcome::kPass, "NonInferior", "errors: candidate 1 of 1000");
  EXPECT_TRUE(Now().share.verified);
}

TEST_F(AStep, FailsWhereTheEvidenceIsStrongEnough) {
  Errors() = {.candidate = {{"a", {240, 12}}}, .stable = {2160, 3}};
  observed_.segments.back().assigned = {240, 2160};
  ExpectOnly(Outcome::kFail, "MoreErrors", "candidate 12 of 240, stable 3 of 2160, p0 0.143, E 3.5e6 ≥ 1e2");
}

TEST_F(AStep, FailsBeforeItsMinimumDuration) {
  Errors().candidate[0].events.bad = 100;
  observed_.elapsed = std::chrono::seconds(1);
  ExpectOnly(Outcome::kFail, "MoreErrors");
}

TEST_F(AStep, NeedsMoreEvidenceTheMoreMetricsThereAre) {
  Errors() = {.candidate = {{"a", {1000, 6}}}, .stable = {9000, 5}};
  const double one = Now().metrics.front().log_threshold;
  EXPECT_NEAR(one, std::log(100), 1e-12);
  settings_.metrics.push_back({Metric::kLatency, {}});
  EXPECT_NEAR(Now().metrics.front().log_threshold, std::log(200), 1e-12);
}

TEST_F(AStep, DoesNotFailForARateBelowTheFloor) {
  Errors() = {.candidate = {{"a", {100'000, 400}}}, .stable = {900'000, 100}};
  observed_.segments.back().assigned = {100'000, 900'000};
  ExpectOnly(Outcome::kPass, "NonInferior");
  EXPECT_GT(Now().metrics.front().log_e, 100);
  Errors().candidate[0].events.bad = 600;
  ExpectOnly(Outcome::kFail, "MoreErrors");
}

TEST_F(AStep, FailsForARateThatHasRisenOnlyInTheLastSegment) {
  observed_.segments.front() = Segment{.weight = 0.1, .assigned = {100'000, 900'000}};
  Errors() = {.candidate = {{"a", {100'000, 100}}}, .stable = {900'000, 900}};
  observed_.segments.push_back({.weight = 0.2, .assigned = {2000, 8000}});
  Errors() = {.candidate = {{"a", {2000, 100}}}, .stable = {8000, 8}};
  ExpectOnly(Outcome::kFail, "MoreErrors", "; then candidate 100 of 2000");
}

TEST_F(AStep, AddsUpTheEvidenceOfItsSegments) {
  observed_.segments.push_back(observed_.segments.front());
  const Verdict verdict = Now();
  ASSERT_EQ(verdict.metrics.front().segments.size(), 2U);
  EXPECT_DOUBLE_EQ(verdict.metrics.front().log_e, 2 * verdict.metrics.front().segments.front().log_e);
}

TEST_F(AStep, WithAShareBelowItsWeightIsTestedByTheWeight) {
  observed_.segments.back().assigned = {500, 9500};
  Errors() = {.candidate = {{"a", {500, 1}}}, .stable = {9500, 9}};
  EXPECT_NEAR(Now().metrics.front().segments.front().p0, 1.0 / 7, 1e-12);
}

TEST_F(AStep, IsNotFailedByOneBadPodOfTwo) {
  Errors() = {.candidate = {{"a", {500, 60}}, {"b", {500, 0}}}, .stable = {9000, 9}};
  ExpectOnly(Outcome::kInconclusive, "OnePodIsWorse", "look at pod a");
}

TEST_F(AStep, IsFailedByTwoBadPodsOfThree) {
  Errors() = {.candidate = {{"a", {300, 60}}, {"b", {300, 30}}, {"c", {400, 0}}}, .stable = {9000, 9}};
  ExpectOnly(Outcome::kFail, "MoreErrors", "without pod a");
}

TEST_F(AStep, IsFailedByTheOnlyPodThatGotRequests) {
  Errors() = {.candidate = {{"a", {1000, 60}}, {"b", {0, 0}}}, .stable = {9000, 9}};
  ExpectOnly(Outcome::kFail, "MoreErrors");
}

TEST_F(AStep, CountsAPodThatIsGoneAmongThePods) {
  observed_.segments.push_back(observed_.segments.front());
  Errors() = {.candidate = {{"b", {1000, 60}}}, .stable = {9000, 9}};
  ExpectOnly(Outcome::kInconclusive, "OnePodIsWorse", "look at pod b");
}

TEST_F(AStep, WithOneSlowPodFailsOnlyForMuchSlowerRequests) {
  settings_.metrics = {{Metric::kLatency, {}}};
  Of(Metric::kLatency) = {.candidate = {{"a", {1000, 200}, {1000, 40}}}, .stable = {9000, 450}};
  ExpectOnly(Outcome::kPass, "NonInferior", "latency over 1.5 × the threshold: candidate 40 of 1000");
  Of(Metric::kLatency).candidate[0].much_slower.bad = 200;
  ExpectOnly(Outcome::kFail, "Slower", "latency over 1.5 × the threshold: candidate 200 of 1000");
}

TEST_F(AStep, WithTwoSlowPodsFailsForSlowerOnes) {
  settings_.metrics = {{Metric::kLatency, {}}};
  Of(Metric::kLatency) = {.candidate = {{"a", {500, 100}, {500, 20}}, {"b", {500, 100}, {500, 20}}},
                          .stable = {9000, 450}};
  ExpectOnly(Outcome::kFail, "Slower", "latency over 1.25 × the threshold: candidate 200 of 1000");
}

TEST_F(AStep, FailsWhenNearlyAllFirstRequestsFail) {
  observed_.candidate = {19, 19};
  ExpectOnly(Outcome::kPass, "NonInferior");
  observed_.candidate = {20, 17};
  ExpectOnly(Outcome::kPass, "NonInferior");
  observed_.candidate = {20, 18};
  ExpectOnly(Outcome::kFail, "FirstRequestsFailed", "18 of the candidate's first 20 requests");
}

TEST_F(AStep, FailsWhenAContainerEnds) {
  observed_.restarts = 1;
  ExpectOnly(Outcome::kFail, "ContainersRestarted", "kubectl logs");
  observed_.out_of_memory = 1;
  ExpectOnly(Outcome::kFail, "OutOfMemory", "resources.limits.memory");
}

TEST_F(AStep, IsNotDecidedByNumbersWhileTheirSourceIsDown) {
  Errors().candidate[0].events.bad = 100;
  observed_.unavailable = "pod a does not answer";
  ExpectOnly(Outcome::kInconclusive, "MetricsUnavailable", "pod a does not answer");
  observed_.restarts = 1;
  ExpectOnly(Outcome::kFail, "ContainersRestarted");
}

TEST_F(AStep, DoesNotPassWithoutData) {
  Errors() = {};
  observed_.segments.back().assigned = {};
  ExpectOnly(Outcome::kInconclusive, "TooFewRequests", "0 of the 200");
  observed_.segments.back().streams.clear();
  ExpectOnly(Outcome::kInconclusive, "NoData", "errors");
  observed_.segments.clear();
  ExpectOnly(Outcome::kInconclusive, "NoData");
}

TEST_F(AStep, DoesNotPassOnTheDataOfTheStepBefore) {
  observed_.segments.push_back({.weight = 0.5});
  ExpectOnly(Outcome::kInconclusive, "NoData");
  Errors() = {.candidate = {{"a", {100, 0}}}, .stable = {100, 0}};
  ExpectOnly(Outcome::kInconclusive, "TooFewRequests", "100 of the 200");
}

TEST_F(AStep, DoesNotPassBeforeItsMinimumDuration) {
  observed_.elapsed = settings_.min_duration - std::chrono::seconds(1);
  ExpectOnly(Outcome::kInconclusive, "MinimumDuration", "119 s");
}

TEST_F(AStep, DoesNotPassWithAnotherWeightThanWanted) {
  observed_.segments.back().assigned = {500, 9500};
  ExpectOnly(Outcome::kInconclusive, "WeightNotVerified", "observed weight 5 %, wanted 10 % ± 2 %");
}

TEST_F(AStep, DoesNotPassWhileTheCandidateMayStillBeWorse) {
  Errors().candidate[0].events.bad = 2;
  ExpectOnly(Outcome::kInconclusive, "NotYetCertain", "candidate 2 of 1000, at most 0.628 %");
}

TEST_F(AStep, PassesWhereStableIsBrokenToo) {
  Errors() = {.candidate = {{"a", {1000, 500}}}, .stable = {9000, 4500}};
  ExpectOnly(Outcome::kPass, "NonInferior");
}

TEST_F(AStep, WithoutStableRequestsComparesWithTheSegmentBefore) {
  observed_.segments.front().assigned = {1000, 1000};
  observed_.segments.front().weight = 0.5;
  Errors() = {.candidate = {{"a", {1000, 50}}}, .stable = {1000, 50}};
  observed_.segments.push_back({.weight = 1, .assigned = {1000, 0}});
  Errors() = {.candidate = {{"a", {1000, 50}}}, .stable = {}};
  ExpectOnly(Outcome::kPass, "NonInferior");
}

TEST_F(AStep, NeedsAllItsMetrics) {
  settings_.metrics.push_back({Metric::kLatency, {}});
  ExpectOnly(Outcome::kInconclusive, "NoData", "latency");
  Of(Metric::kLatency) = {.candidate = {{"a", {1000, 60}, {1000, 10}}}, .stable = {9000, 450}};
  ExpectOnly(Outcome::kPass, "NonInferior", "; latency over 1.5");
}

TEST_F(AStep, HoldsAnswersThatDifferAgainstTheLimitThatWasGiven) {
  settings_.metrics.push_back({Metric::kDisagreement, 0.05});
  Of(Metric::kDisagreement) = {.candidate = {{"a", {1000, 30}}}};
  ExpectOnly(Outcome::kPass, "NonInferior", "disagreement: candidate 30 of 1000");
  settings_.metrics.back().limit = 0.01;
  ExpectOnly(Outcome::kFail, "AnswersDiffer", "disagreement: candidate 30 of 1000, p0 0.01");
}

TEST_F(AStep, HoldsAnyMetricAgainstALimitThatWasGiven) {
  settings_.metrics = {{Metric::kErrors, 0.1}};
  Errors() = {.candidate = {{"a", {1000, 50}}}, .stable = {9000, 9}};
  ExpectOnly(Outcome::kPass, "NonInferior");
}

// Few requests of users, many golden ones.
class AThinStep : public AStep {
 protected:
  AThinStep() {
    settings_.metrics = {{Metric::kErrors, {}}, {Metric::kProbes, {}}};
    Errors() = {.candidate = {{"a", {3, 0}}}, .stable = {27, 0}};
    observed_.segments.back().assigned = {3, 27};
    observed_.first_step = true;
    Of(Metric::kProbes) = {.candidate = {{"a", {700, 0}}}};
  }
};

TEST_F(AThinStep, PassesByGoldenRequestsIfItIsTheFirst) {
  ExpectOnly(Outcome::kPass, "NonInferior", "golden requests: candidate 0 of 700");
}

TEST_F(AThinStep, PassesByGoldenRequestsAlone) {
  Errors() = {};
  observed_.segments.back().assigned = {};
  ExpectOnly(Outcome::kPass, "NonInferior");
}

TEST_F(AThinStep, DoesNotPassByGoldenRequestsIfTheNextOneCannotTellWhatIsSlow) {
  settings_.metrics.push_back({Metric::kLatency, {}});
  ExpectOnly(Outcome::kPass, "NonInferior");
  observed_.last_without_threshold = true;
  ExpectOnly(Outcome::kInconclusive, "NoLatencyThreshold", "the next step leaves them none");
}

TEST_F(AThinStep, DoesNotPassByGoldenRequestsIfItIsALaterOne) {
  observed_.first_step = false;
  ExpectOnly(Outcome::kInconclusive, "TooFewRequests", "3 of the 200");
}

TEST_F(AThinStep, DoesNotPassByGoldenRequestsWithAnotherWeightThanWanted) {
  observed_.segments.back().assigned = {27, 3};
  ExpectOnly(Outcome::kInconclusive, "WeightNotVerified");
}

TEST_F(AThinStep, DoesNotPassIfNothingElseIsAskedFor) {
  settings_.metrics = {{Metric::kProbes, {}}};
  ExpectOnly(Outcome::kInconclusive, "NoData", "golden requests alone do not promote");
  settings_.metrics = {};
  ExpectOnly(Outcome::kInconclusive, "NoData");
}

TEST_F(AThinStep, DoesNotPassByTooFewGoldenRequests) {
  Of(Metric::kProbes).candidate[0].events.requests = 500;
  ExpectOnly(Outcome::kInconclusive, "TooFewRequests");
}

TEST_F(AThinStep, FailsByGoldenRequests) {
  observed_.first_step = false;
  Of(Metric::kProbes).candidate[0].events = {3, 3};
  ExpectOnly(Outcome::kFail, "GoldenRequestsFailed", "golden requests: candidate 3 of 3");
}

TEST_F(AThinStep, WithEnoughRequestsIsDecidedByThese) {
  Errors() = {.candidate = {{"a", {1000, 2}}}, .stable = {9000, 9}};
  observed_.segments.back().assigned = {1000, 9000};
  ExpectOnly(Outcome::kInconclusive, "NotYetCertain", "errors");
}

}  // namespace
}  // namespace pilotlight::analysis
