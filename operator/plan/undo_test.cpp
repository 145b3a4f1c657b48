// Rolling updates that are taken back: by themselves, or by the user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/names.h"
#include "operator/plan/plan.h"
#include "operator/plan/testing/rollouts.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Rollouts, AreUndoneAtTheDeadlineWithFullCapacity) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  const Behaviour stuck = {.ready = false, .phase = "Warming"};
  cluster.behaviours[second] = Good('b');
  for (const api::Pod* pod : cluster.Pods(second)) cluster.pod_behaviours[pod->meta.name] = Good('b');
  cluster.behaviours[second] = stuck;  // the pods that come now
  Guard(4, 5);
  Until([&] { return phase() == Phase::kAborted; });
  EXPECT_EQ(cluster.Condition("Stalled"), "True/ProgressDeadlineExceeded");
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/RevisionAborted");
  EXPECT_EQ(cluster.Condition("Validated"), "True/Answers") << "it did pass its proof";
  EXPECT_EQ(cluster.Condition("Reconciling"), "False/Stalled");
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("Warming"));
  EXPECT_THAT(cluster.EventReasons(), Contains("ProgressDeadlineExceeded"));
  cluster.Run();
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(cluster.pods.size(), 4U);
  EXPECT_EQ(cluster.status().stable_revision, first);
  EXPECT_FALSE(Plan(cluster.Observe()).again_after);
}

TEST_F(Rollouts, AreUndoneWithFullCapacityThoughSomebodyTakesTheLabelFromTheReplicaSet) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  Guard(4, 5);
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  std::ranges::find(cluster.replica_sets, second, [](const auto& rs) { return rs.meta.name; })->traffic =
      kTrafficNone;
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_EQ(cluster.status().stable_revision, first);
  EXPECT_EQ(Size(second), 0);
}

TEST_F(Rollouts, AreUndoneWhenTheNewPodsKeepRestarting) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  Guard(3, 5);
  for (api::Pod* pod : cluster.Pods(second)) {
    pod->restarts = 2;
    pod->started = cluster.now + seconds(1);
    pod->ready = false;
    pod->ready_since.reset();
  }
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(cluster.Condition("Stalled"), "True/PodsRestarting");
  EXPECT_EQ(Serving(first), 4);
}

TEST_F(Rollouts, AreNotUndoneForWhatHappenedBeforeTheProof) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return !cluster.Pods(second).empty() && cluster.Pods(second)[0]->running; });
  cluster.Pods(second)[0]->restarts = 5;
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, MoveTheirDeadlineWithEachPodThatServes) {
  Serve(4);
  Set({{"minReadySeconds", 400}});
  const std::string second = Ask("v2");
  cluster.Run(minutes(60));
  EXPECT_EQ(cluster.status().stable_revision, second) << "each pod took 7 of 10 minutes";
  EXPECT_THAT(cluster.EventReasons(), Not(Contains("Stalled")));
}

TEST_F(Rollouts, WaitForRoomAndGoOnWhenThereIsSome) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  cluster.schedules = false;
  Guard(4, 5);
  cluster.Run(minutes(15));
  EXPECT_EQ(phase(), Phase::kPromoting);
  EXPECT_EQ(cluster.Condition("Stalled"), "True/Unschedulable");
  cluster.schedules = true;
  cluster.behaviours[second] = {.ready = false, .phase = "Loading"};
  for (const api::Pod* pod : cluster.Pods(second)) {
    if (pod->ready) cluster.pod_behaviours[pod->meta.name] = Good('b');
  }
  cluster.Kubernetes();
  cluster.Run(minutes(5));
  EXPECT_EQ(phase(), Phase::kPromoting) << "the clock starts again when there is room";
  EXPECT_EQ(cluster.Condition("Stalled"), "False/NotStalled");
  cluster.behaviours[second] = Good('b');
  cluster.Kubernetes();
  cluster.Run(minutes(5));
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, OfTheFirstRevisionAreNeverUndone) {
  cluster.Apply({{"replicas", 2}});
  const std::string only = cluster.Revision();
  Half(only, 1);
  for (const api::Pod* pod : cluster.Pods(only)) cluster.pod_behaviours[pod->meta.name] = Good();
  cluster.usual = {.ready = false, .phase = "Loading"};
  cluster.Run(minutes(30));
  EXPECT_EQ(phase(), Phase::kPromoting);
  EXPECT_EQ(cluster.Condition("Stalled"), "True/Loading");
  EXPECT_EQ(Serving(), 1);
}

TEST_F(Rollouts, ThatWereAbortedAreTriedAgainWithANewTokenOnly) {
  Serve(2);
  const std::string second = Ask("v2");
  Half(second, 1);
  Set({{"abort", second}});
  cluster.Run();
  ASSERT_EQ(phase(), Phase::kAborted);
  cluster.Apply({{"replicas", 3}, {"rollout", {{"abort", nullptr}}}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted) << "neither scaling nor taking the command back is a new attempt";
  EXPECT_EQ(Size(second), 0);
  Ask("v1.tar", Good());
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  Ask("v2");
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted) << "going back and forth is none either";
  Set({{"retry", "1"}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_FALSE(cluster.status().FindRevision(second)->aborted);
}

TEST_F(Rollouts, AreAbortedByNameWithoutLosingCapacity) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Guard(4, 5);
  Set({{"abort", second}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(cluster.Condition("Stalled"), "True/AbortedByUser");
  EXPECT_EQ(cluster.status().candidate_revision, "");
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(Size(second), 0);
  EXPECT_EQ(cluster.Find(second)->traffic, kTrafficNone);
}

TEST_F(Rollouts, AreAbortedBeforeTheProofAndWhilePaused) {
  Serve(2);
  const std::string second = Ask("v2", Waiting());
  cluster.Run(seconds(20));
  Set({{"paused", true}, {"abort", second}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(cluster.Condition("Validated"), "Unknown/Unproven");
  EXPECT_EQ(Size(second), 0);
}

TEST_F(Rollouts, AnAbortBeatsARetry) {
  Serve(2);
  const std::string second = Ask("v2");
  Half(second, 1);
  Set({{"abort", second}, {"retry", "1"}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  Set({{"retry", "2"}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("spec.rollout.abort names it"));
}

TEST_F(Rollouts, AnAbortOfAnythingElseIsIgnoredAndSaidToBe) {
  Serve(2);
  Set({{"abort", first}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_THAT(cluster.status().rollout.ignored,
              HasSubstr(first + ", which is not the candidate (there is none)"));
  EXPECT_THAT(cluster.EventReasons(), Contains("Ignored"));
  const std::size_t writes = cluster.writes;
  cluster.Run();
  EXPECT_EQ(cluster.writes, writes);
  Set({{"abort", "digits-nobody"}});
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, HeedNoAbortWhereNothingIsStable) {
  cluster.Apply({{"replicas", 3}});
  first = cluster.Revision();
  Half(first, 1);
  Set({{"abort", first}});
  Guard(1, 3);
  cluster.Reconcile();
  EXPECT_THAT(cluster.status().rollout.ignored, HasSubstr("no stable revision to go back to"));
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_EQ(Serving(first), 3);
}

class WithoutAStableOne : public Rollouts {
 protected:
  // v2 was aborted with two pods in the Service, and somebody deletes all of v1.
  void SetUp() override {
    Serve(3);
    second = Ask("v2");
    Half(second);
    Set({{"abort", second}});
    cluster.Reconcile(0);
    std::erase_if(cluster.pods, [&](const api::Pod& pod) { return pod.meta.revision == first; });
    std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == first; });
  }
  std::string second;
};

TEST_F(WithoutAStableOne, WhatWasGivenUpGoesOnServingAndDoesNotGrow) {
  Guard(2, 2);
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(Serving(second), 2);
  EXPECT_EQ(cluster.status().stable_revision, "");
}

TEST_F(WithoutAStableOne, ANewRevisionTakesThePlaceOfWhatWasGivenUp) {
  const std::string third = Ask("v3", Good('c'));
  Guard(2, 4);
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_EQ(cluster.status().stable_revision, third);
  EXPECT_EQ(Serving(third), 3);
  EXPECT_EQ(Size(second), 0);
}

TEST_F(Rollouts, TakeBackWhatWasAboutToLeaveAndStillServesWhereNothingIsStable) {
  Serve(2);
  const std::string second = Ask("v2");
  cluster.replica_sets.front().traffic = kTrafficNone;
  cluster.status_.stable_revision = "digits-deleted";
  Guard(2, 3);
  cluster.Reconcile();
  EXPECT_EQ(cluster.status().stable_revision, first);
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, WhatWasGivenUpIsNotStableThoughItServesOn) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 2);
  Set({{"abort", second}});
  cluster.Reconcile();
  ASSERT_TRUE(cluster.status().FindRevision(second)->aborted);
  Ask("v3", Waiting());
  std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == first; });
  ASSERT_EQ(Serving(second), 2);
  cluster.Reconcile();
  EXPECT_EQ(cluster.status().stable_revision, "");
}

TEST_F(Rollouts, ThatWereAbortedNeverBecomeStableThoughTheStableOneIsLost) {
  Serve(2);
  const std::string second = Ask("v2");
  Half(second, 1);
  Set({{"abort", second}});
  Until([&] { return phase() == Phase::kAborted; });
  ASSERT_GT(Size(second), 0) << "it must still be leaving";
  std::erase_if(cluster.replica_sets, [&](const auto& rs) { return rs.meta.name == first; });
  cluster.Kubernetes();  // collects its pods
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, "");
  EXPECT_EQ(phase(), Phase::kAborted);
}

}  // namespace
}  // namespace pilotlight::plan::testing
