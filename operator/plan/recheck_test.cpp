// Golden re-checks of pods that serve.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/plan.h"
#include "operator/plan/testing/serving.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Drifting(const Cluster& cluster) {
  std::vector<std::string> pods;
  for (const auto& failure : cluster.status().recheck_failures) pods.push_back(failure.pod);
  return pods;
}

std::int64_t Count(const Cluster& cluster, const std::string& reason) {
  return std::ranges::count(cluster.EventReasons(), reason);
}

TEST(Recheck, PodsInTheServiceAreAskedSeldomAndOnlyWhereThereIsSomethingToCheck) {
  Cluster cluster = Serving(2);
  Decision decision = Plan(cluster.Observe());
  EXPECT_THAT(decision.probe, IsEmpty());
  EXPECT_EQ(decision.watch.size(), 2U);
  EXPECT_EQ(decision.watch_every, minutes(10));
  cluster.Apply({{"validation", {{"recheckInterval", "0s"}}}});
  cluster.Run();
  EXPECT_THAT(Plan(cluster.Observe()).watch, IsEmpty());
  Cluster without_cases;
  without_cases.usual.level = "Contract";
  without_cases.Run();
  EXPECT_THAT(Plan(without_cases.Observe()).watch, IsEmpty());
}

TEST(Recheck, AtRestItWritesNothing) {
  Cluster cluster = Serving(2);
  const std::size_t writes = cluster.writes;
  for (int i = 0; i < 5; ++i) cluster.Reconcile();
  EXPECT_EQ(cluster.writes, writes);
}

TEST(Recheck, OneOfTwoPodsThatFailsIsToldAndReplacedWhileTheOtherServes) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.pod_behaviours[bad] = Drifted();
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 1); };
  cluster.Reconcile();  // asks
  cluster.Run();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(bad));
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  EXPECT_EQ(Count(cluster, "PodReplaced"), 1);
  const auto told = std::ranges::find(cluster.events, "GoldenRecheckFailed", &EmitEvent::reason);
  EXPECT_TRUE(told->warning);
  EXPECT_THAT(told->message,
              HasSubstr("pod " + bad + " on node node-1 no longer gives the golden answers of " +
                        cluster.Revision()));
  EXPECT_THAT(told->message, HasSubstr("case one, output y[0]: expected 1, got 2, error 1.0e+00 > 1.0e-04"));
  EXPECT_THAT(told->message, HasSubstr("it is replaced while others serve"));
  EXPECT_THAT(Drifting(cluster), IsEmpty());
  EXPECT_EQ(cluster.Condition("Validated"), "True/Answers");
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.status().rollout.replaced_pods, 0);
}

TEST(Recheck, TheOnlyPodStaysAndStatusSaysSo) {
  Cluster cluster = Serving(1);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(30));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  EXPECT_THAT(cluster.events.back().message, HasSubstr("it goes on serving, as no other pod gives them"));
  EXPECT_THAT(Drifting(cluster), ElementsAre(cluster.pods[0].meta.name));
  EXPECT_EQ(cluster.Condition("Validated"), "False/GoldenMismatch");
  EXPECT_THAT(cluster.status().Find("Validated")->message, HasSubstr("passed the proof and no longer does"));
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving") << "it does serve";
  const std::size_t writes = cluster.writes;
  for (int i = 0; i < 5; ++i) cluster.Reconcile();
  EXPECT_EQ(cluster.writes, writes) << "told once";
  cluster.usual = Good();
  cluster.Reconcile();
  cluster.Run();
  EXPECT_THAT(Drifting(cluster), IsEmpty());
  EXPECT_EQ(cluster.Condition("Validated"), "True/Answers");
}

TEST(Recheck, WhenAllFailAllStay) {
  Cluster cluster = Serving(3);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(30));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Drifting(cluster).size(), 3U);
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 3);
  EXPECT_THAT(cluster.status().Find("Validated")->message, HasSubstr("(and 2 more pods)"));
}

TEST(Recheck, TwoOfThreeAreReplacedOneAfterTheOtherAndNeverTwoAreMissing) {
  Cluster cluster = Serving(3);
  for (int i : {0, 1}) cluster.pod_behaviours[cluster.pods[i].meta.name] = Drifted();
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 2); };
  const api::Time began = cluster.now;
  cluster.Reconcile();
  cluster.Run();
  cluster.Run();
  EXPECT_EQ(cluster.deleted_pods.size(), 2U);
  EXPECT_GE(cluster.now - began, seconds(20)) << "with the pause that other replacements have";
  EXPECT_THAT(Drifting(cluster), IsEmpty());
}

TEST(Recheck, NoneGoesWhileAnotherIsMissing) {
  Cluster cluster = Serving(3);
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Drifted();
  cluster.pod_behaviours[cluster.pods[1].meta.name] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  cluster.Reconcile();
  cluster.Run(minutes(1));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Drifting(cluster).size(), 1U);
}

TEST(Recheck, AnOperatorThatWasRestartedTellsNothingTwiceAndForgetsNothing) {
  Cluster cluster = Serving(1);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(1));
  ASSERT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  Observed seen = cluster.Observe();
  seen.reports.clear();
  const Decision decision = Plan(seen);
  EXPECT_FALSE(decision.status) << "it has asked nobody yet, so what was noted holds";
  EXPECT_THAT(Of<EmitEvent>(decision), IsEmpty());
  cluster.Run(minutes(1));
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
}

TEST(Recheck, ACrashBetweenTheStatusAndTheDeletionLosesNoReplacement) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.pod_behaviours[bad] = Drifted();
  cluster.Reconcile();
  cluster.Reconcile(0);
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_THAT(Drifting(cluster), ElementsAre(bad));
  cluster.Run();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(bad));
}

TEST(Recheck, WhileACandidateIsOnTrialTheStablePodsAreStillLookedAfter) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Waiting();
  cluster.pod_behaviours[bad] = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(2));
  EXPECT_THAT(cluster.deleted_pods, Contains(bad));
  EXPECT_EQ(cluster.Condition("Validated"), "Unknown/Unproven") << "it speaks of the candidate";
}

}  // namespace
}  // namespace pilotlight::plan::testing
