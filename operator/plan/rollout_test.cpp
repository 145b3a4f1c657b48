// Rolling updates, and the user's hand in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/fleet.h"
#include "operator/plan/names.h"
#include "operator/plan/plan.h"
#include "operator/plan/testing/rollout_fixture.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Rollouts : public RolloutFixture {
 protected:
  // `replicas` pods of a first revision.
  void Serve(int replicas) {
    cluster.Apply({{"replicas", replicas}});
    cluster.Run();
    first = cluster.Revision();
    cluster.events.clear();
  }
  std::int64_t Serving() const {
    const auto seen = cluster.ObserveChildren();
    return Fleet(seen).CountServing();
  }
  using RolloutFixture::Serving;
  // Steps until `done`, a second each.
  template <typename F>
  void Until(F done) {
    RolloutFixture::Until(done, seconds(1), 2000);
  }
  // v1 → `second`, of which `pods` serve.
  void Half(const std::string& second, int pods = 2) {
    Until([&] { return Serving(second) == pods; });
  }
  // From now on at least `least` serve and there are at most `most` pods.
  void Guard(std::int64_t least, std::int64_t most) {
    cluster.after_write = [this, least, most] {
      EXPECT_GE(Serving(), least);
      std::int64_t all = 0;
      for (const auto& rs : cluster.replica_sets) all += rs.replicas;
      EXPECT_LE(all, most);
    };
  }
};

TEST_F(Rollouts, AreRetriedWithPodsOfTheirOwn) {
  Serve(2);
  const std::string second = Ask("v2", Waiting());
  Pass(6, seconds(1));
  ASSERT_EQ(cluster.Pods(second).size(), 1U);
  const std::string old = cluster.Pods(second).front()->meta.uid;
  Set({{"retry", "1"}});
  cluster.behaviours[second] = Good('b');  // the old one passes now, too
  cluster.after_write = [&] {
    for (const api::Pod* pod : cluster.Pods(second)) {
      if (pod->meta.uid == old) {
        EXPECT_TRUE(pod->digest.empty()) << "let in by the try before";
      }
    }
  };
  Until([&] { return cluster.status().rollout.reason == "Retrying"; });
  Until([&] { return phase() == Phase::kComplete && cluster.status().stable_revision == second; });
  for (const api::Pod* pod : cluster.Pods(second)) EXPECT_NE(pod->meta.uid, old);
}

TEST_F(Rollouts, ReplaceOnePodAfterTheOther) {
  Serve(4);
  const std::string second = Ask("v2");
  Guard(4, 5);
  std::set<std::pair<std::int64_t, std::int64_t>> sizes;
  Until([&] {
    sizes.emplace(Size(first), Size(second));
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  for (const auto& step :
       {std::pair(4, 1), std::pair(3, 2), std::pair(2, 3), std::pair(1, 4), std::pair(0, 4)}) {
    EXPECT_THAT(sizes, Contains(std::pair<std::int64_t, std::int64_t>(step)));
  }
  EXPECT_THAT(cluster.EventReasons(),
              ::testing::ElementsAre("RolloutStarted", "Proven", "Promoted", "Completed"));
}

TEST_F(Rollouts, WithoutASurgeMakeRoomFirst) {
  Serve(4);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  cluster.Run();
  const std::string second = Ask("v2");
  Guard(3, 4 + 1);
  std::int64_t most = 0;
  Until([&] {
    if (cluster.Find(second) != nullptr && Size(first) < 4) most = std::max(most, Size(first) + Size(second));
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  EXPECT_EQ(most, 4);
}

TEST_F(Rollouts, WithoutASurgeAFailedProofGivesThePodBack) {
  Serve(3);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  Ask("v2", Broken());
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kFailed);
  EXPECT_EQ(Serving(first), 3);
}

TEST_F(Rollouts, OfOnePodSurgeWhateverIsSaid) {
  Serve(1);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  cluster.Run();
  const std::string second = Ask("v2");
  Guard(1, 2);
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, MoveInLargeStepsWhereTheyMay) {
  Serve(8);
  Set({{"rollingUpdate", {{"maxSurge", "50%"}, {"maxUnavailable", "25%"}}}});
  cluster.Run();
  EXPECT_EQ(cluster.budget->max_unavailable, 2);
  const std::string second = Ask("v2");
  Guard(6, 12);
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, CountAPodOnlyWhenItHasBeenReadyForLongEnough) {
  Serve(2);
  Set({{"minReadySeconds", 30}});
  const std::string second = Ask("v2");
  Half(second, 1);
  cluster.Run(seconds(25));
  EXPECT_EQ(Size(first), 2);
  cluster.Run(seconds(10));
  EXPECT_EQ(Size(first), 1);
  EXPECT_EQ(Size(second), 2);
}

// --- Undone by itself ---

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

// --- abort ---

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

// --- paused ---

TEST_F(Rollouts, ThatArePausedBeginNothing) {
  Serve(2);
  Set({{"paused", true}});
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(cluster.Find(second), nullptr);
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/Paused");
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Paused");
  EXPECT_FALSE(cluster.status().rollout.deadline) << "a pause has no end of its own";
  EXPECT_THAT(cluster.EventReasons(), Contains("Paused"));
  Set({{"paused", false}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_THAT(cluster.EventReasons(), Contains("Resumed"));
}

TEST_F(Rollouts, ThatArePausedInTheMiddleStayThereAndScale) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  Set({{"paused", true}});
  const auto before = std::pair(Size(first), Size(second));
  cluster.Run(minutes(30));
  EXPECT_EQ(std::pair(Size(first), Size(second)), before);
  EXPECT_EQ(phase(), Phase::kPaused);
  cluster.Apply({{"replicas", 8}});
  cluster.Run();
  EXPECT_EQ(Size(second), before.second);
  EXPECT_EQ(Size(first) + Size(second), 8);
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  Guard(2, 8);
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_LE(Size(first) + Size(second), 3);
  Set({{"paused", false}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(cluster.status().rollout.attempt, 2) << "neither pausing nor scaling is a new attempt";
}

TEST_F(Rollouts, ThatArePausedOnTrialNoteTheProofAndLetNobodyIn) {
  Serve(2);
  const std::string second = Ask("v2", {.ready = false, .phase = "Loading"});
  cluster.Run(seconds(5));
  Set({{"paused", true}});
  cluster.behaviours[second] = Good('b');
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().FindRevision(second)->phase, api::RevisionPhase::kProven);
  EXPECT_EQ(Serving(second), 0);
  EXPECT_EQ(Serving(first), 2);
}

TEST_F(Rollouts, ThatArePausedOnTrialStillFail) {
  Serve(2);
  const std::string second = Ask("v2", {.ready = false, .phase = "Loading"});
  cluster.Run(seconds(5));
  Set({{"paused", true}});
  cluster.behaviours[second] = Broken("InvalidBundle");
  cluster.Run(seconds(30));
  EXPECT_EQ(phase(), Phase::kFailed);
}

// --- Edits in the middle ---

TEST_F(Rollouts, AnEditBackInTheMiddleRestoresWhatWas) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Guard(4, 5);
  Ask("v1.tar", Good());
  cluster.Reconcile();
  EXPECT_EQ(phase(), Phase::kReverting);
  EXPECT_EQ(cluster.Condition("UpToDate"), "True/UpToDate");
  EXPECT_EQ(cluster.Condition("Reconciling").substr(0, 5), "True/");
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(cluster.pods.size(), 4U);
  EXPECT_THAT(cluster.EventReasons(), Contains("Reverting"));
}

TEST_F(Rollouts, AThirdRevisionWaitsOutsideUntilTheSecondHasGivenItsPlaceBack) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  const std::string third = Ask("v3", Good('c'));
  cluster.after_write = [&] {
    EXPECT_GE(Serving(), 4);
    if (Serving(second) > 0) {
      EXPECT_EQ(Serving(third), 0);
      EXPECT_LE(Size(third), 1);
    }
    EXPECT_LE(Size(first) + Size(second), 5);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, third);
  EXPECT_EQ(cluster.pods.size(), 4U);
}

TEST_F(Rollouts, AThirdRevisionThatFailsLeavesTheFirst) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Ask("v3", Broken());
  Guard(4, 7);
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kFailed);
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(cluster.pods.size(), 4U);
}

TEST_F(Rollouts, ScalingInTheMiddleMovesTheBounds) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  cluster.Apply({{"replicas", 8}});
  cluster.Reconcile();
  EXPECT_EQ(Size(first) + Size(second), 10) << "what grows is the new one";
  cluster.Run();
  EXPECT_EQ(Serving(second), 8);
  EXPECT_EQ(cluster.pods.size(), 8U);
}

TEST_F(Rollouts, ScalingToNothingInTheMiddleEndsAll) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  cluster.Apply({{"replicas", 0}});
  cluster.Run();
  EXPECT_EQ(cluster.pods.size(), 0U);
  EXPECT_EQ(phase(), Phase::kStopped);
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 2);
}

TEST_F(Rollouts, ARevisionThatNeverGrewUpKeepsServingUntilTheNextIsThere) {
  cluster.Apply({{"replicas", 3}});
  first = cluster.Revision();
  Half(first, 1);
  for (const api::Pod* pod : cluster.Pods(first)) cluster.pod_behaviours[pod->meta.name] = Good();
  cluster.behaviours[first] = {.ready = false, .phase = "Loading"};  // the others never come up
  cluster.Run(seconds(10));
  const std::string second = Ask("v2");
  cluster.after_write = [&] { EXPECT_GE(Serving(), 1); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 3);
}

TEST_F(Rollouts, ABrokenStableRevisionDoesNotHoldThemUp) {
  Serve(3);
  cluster.behaviours[first] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 3);
}

TEST_F(Rollouts, KeepAsManyOldRevisionsAsTheyAreTold) {
  Serve(1);
  Set({{"revisionHistoryLimit", 2}});
  for (int i = 2; i < 8; ++i) {
    Ask("v" + std::to_string(i));
    cluster.Run();
  }
  EXPECT_EQ(cluster.replica_sets.size(), 3U);
  Set({{"revisionHistoryLimit", 0}});
  cluster.Run();
  EXPECT_EQ(cluster.replica_sets.size(), 1U);
  EXPECT_EQ(cluster.config_maps.size(), 1U);
}

// The Create of a ConfigMap that `decision` asks for; null: none.
const Create* MadeConfigMap(const Decision& decision) {
  for (const Action& action : decision.actions) {
    const auto* create = std::get_if<Create>(&action);
    if (create != nullptr && create->kind == Kind::kConfigMap) return create;
  }
  return nullptr;
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

TEST_F(Rollouts, WithoutAProofAreNotInTheServiceForALabelThatSomebodySets) {
  for (const char* traffic : {kTrafficService, kTrafficSplit}) {
    SCOPED_TRACE(traffic);
    cluster = Cluster();
    Serve(2);
    Set({{"strategy", "Canary"}});
    const std::string second = Ask("v2", Waiting());
    Pass(3);
    for (api::ReplicaSet& rs : cluster.replica_sets) {
      if (rs.meta.name == second) rs.traffic = traffic;
    }
    Pass(10, seconds(1), [&] { EXPECT_EQ(phase(), Phase::kProving); });
    EXPECT_EQ(Size(second), 1);
    EXPECT_EQ(Serving(first), 2);
  }
}

TEST_F(Rollouts, APodOnTrialThatSomebodyPutsIntoTheServiceIsNoMemberAndLeavesIt) {
  Serve(2);
  Set({{"paused", true}});
  const std::string second = Ask("v2");
  Set({{"paused", false}});
  Until([&] { return !cluster.Pods(second).empty(); });
  Set({{"paused", true}});
  api::Pod& pod = *cluster.Pods(second).front();
  pod.running = pod.ready = true;
  pod.traffic = kTrafficService;
  EXPECT_EQ(Serving(second), 0);
  Pass(3);
  EXPECT_EQ(cluster.Pods(second).front()->traffic, kTrafficNone);
}

TEST_F(Rollouts, ARevisionThatHasPassedBeforeIsNotCondemnedByPodsThatFail) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kComplete && Size(first) == 0; });
  ASSERT_EQ(Ask("v1.tar", Broken()), first);
  Pass(60, seconds(2), [&] { EXPECT_NE(phase(), Phase::kFailed); });
  EXPECT_EQ(cluster.status().FindRevision(first)->phase, api::RevisionPhase::kProven);
  EXPECT_EQ(Serving(second), 2);
}

TEST_F(Rollouts, LeaveThePodsThatWereReplacedTheTimeForWhatIsOnItsWay) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kRetiring; });
  const api::Time since = *cluster.status().rollout.since;
  Until([&] { return Size(first) == 0; });
  EXPECT_GE(cluster.now, since + cluster.settings.scale_down_delay);
}

// Whether it takes pods of that revision, or takes it out of the Service.
bool Takes(const Decision& decision, const api::ReplicaSet& rs) {
  return std::ranges::any_of(decision.actions, [&](const Action& action) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    return change != nullptr && change->name == rs.meta.name &&
           (change->replicas < rs.replicas || change->traffic == kTrafficNone);
  });
}

TEST_F(Rollouts, CountOnNoPodThatItsReplicaSetIsJustTaking) {
  Serve(4);
  const std::string second = Ask("v2");
  Until([&] { return Serving(second) == 2 && Takes(Plan(cluster.Observe()), *cluster.Find(first)); });
  Observed seen = cluster.Observe();
  for (api::ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.name == second) rs.current_replicas = 1;  // of which two pods are still listed as ready
  }
  EXPECT_FALSE(Takes(Plan(seen), *cluster.Find(first)));
}

TEST_F(Rollouts, ThatAreTakenBackStayWhileTheStablePodsAreToldToBeFewer) {
  Serve(3);
  const std::string second = Ask("v2");
  Half(second, 1);
  Observed seen = cluster.Observe();
  ASSERT_EQ(Serving(first), 3);
  seen.model.spec.rollout.abort = second;
  for (api::ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.name == first) rs.replicas = 1;  // as it was told, and has yet to do
  }
  EXPECT_FALSE(Takes(Plan(seen), *cluster.Find(second)));
}

TEST_F(Rollouts, ReplaceNoPodThatDriftsWhileOthersComeAndGo) {
  Serve(3);
  const std::string second = Ask("v2");
  Half(second, 1);
  Observed seen = cluster.Observe();
  ASSERT_EQ(Serving(first), 3);
  seen.reports.at(cluster.Pods(first).front()->meta.uid).recheck_failure =
      api::Failure{"Pod", "GoldenMismatch", "Ready", "other answers", "Look at the node"};
  for (const Action& action : Plan(seen).actions) EXPECT_FALSE(std::holds_alternative<Delete>(action));
}

TEST_F(Rollouts, WithoutAHistoryKeepTheRevisionThatIsAskedForThoughItFailed) {
  Serve(2);
  Set({{"revisionHistoryLimit", 0}});
  const std::string second = Ask("v2", Broken());
  Until([&] { return phase() == Phase::kFailed && Size(second) == 0; });
  Pass(30, seconds(2));
  EXPECT_NE(cluster.Find(second), nullptr);
}

TEST_F(Rollouts, RememberWhatFailedLongerThanTheyKeepIt) {
  Serve(2);
  Set({{"revisionHistoryLimit", 0}});
  const std::string second = Ask("v2", Broken());
  cluster.Run();
  const std::string third = Ask("v3", Good('c'));
  Until([&] { return phase() == Phase::kComplete && cluster.Find(second) == nullptr; });
  Pass(3, seconds(1));
  ASSERT_EQ(Ask("v2", Broken()), second);
  Pass(1);
  EXPECT_EQ(phase(), Phase::kFailed);
  EXPECT_EQ(cluster.Find(second), nullptr) << "no pod is lost on it again";
  EXPECT_EQ(cluster.status().stable_revision, third);
}

TEST_F(Rollouts, TakeNoPodOutWhoseReplicaSetIsAnotherThanWasSeen) {
  Serve(2);
  Observed seen = cluster.Observe();
  seen.replica_sets.front().traffic = kTrafficNone;  // as it once was
  seen.replica_sets.front().digest.clear();
  cluster.Apply({{"model", {{"uri", "https://models.example/v2"}}}});
  seen.model = cluster.Observe().model;
  bool checked = false;
  const Decision decision = Plan(seen);
  for (const Action& action : decision.actions) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    checked = checked || (change != nullptr && change->name == first);
    EXPECT_TRUE(checked || !std::holds_alternative<LabelPod>(action)) << "that may come first and be refused";
  }
  EXPECT_TRUE(checked);
}

// How many pods of a revision that shall enter the Service `decision` asks for; 0: it enters not.
std::int64_t Entering(const Decision& decision, const std::string& revision) {
  for (const Action& action : decision.actions) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    if (change != nullptr && change->name == revision && change->traffic == kTrafficService)
      return change->replicas;
  }
  return 0;
}

TEST_F(Rollouts, WithoutASurgeLetNobodyInBeforeThereIsRoom) {
  Serve(3);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  const std::string second = Ask("v2");
  Until([&] {
    const auto pods = cluster.Pods(second);
    return !pods.empty() && pods.front()->ready && cluster.Observe().reports.contains(pods.front()->meta.uid);
  });
  Observed seen = cluster.Observe();
  EXPECT_EQ(Entering(Plan(seen), second), 1);
  seen.replica_sets.front().replicas = 3;  // has not made room yet
  EXPECT_EQ(Entering(Plan(seen), second), 0);
}

TEST_F(Rollouts, LetNoMorePodsBackInThanThereIsRoomFor) {
  Serve(4);
  Ask("v2");
  cluster.Run();
  cluster.replica_sets.front().replicas = 4;  // as if it had just left
  cluster.Kubernetes();
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  ASSERT_EQ(cluster.Revision(), first);
  cluster.after_write = [&] {
    std::int64_t in_service = 0;
    for (const auto& rs : cluster.replica_sets) in_service += rs.traffic == kTrafficService ? rs.replicas : 0;
    EXPECT_LE(in_service, 5);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, first);
}

TEST_F(Rollouts, MakeADeletedConfigMapAgainAsItOnceWasRendered) {
  Serve(2);
  Ask("v2", Broken());
  cluster.Run();
  ASSERT_EQ(phase(), Phase::kFailed);
  std::erase_if(cluster.config_maps, [&](const api::ConfigMap& config) { return config.meta.name == first; });
  cluster.replica_sets.front().config = R"({"config.json": "as another release rendered it"})";
  const Decision decision = cluster.Reconcile();
  const Create* made = MadeConfigMap(decision);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->name, first);
  EXPECT_EQ(made->body["data"], json({{"config.json", "as another release rendered it"}}));
  cluster.Run();
  EXPECT_EQ(MadeConfigMap(Plan(cluster.Observe())), nullptr);
}

TEST_F(Rollouts, SayThatAConfigMapIsGoneWhichNothingTellsAnyMore) {
  Serve(2);
  Ask("v2", Waiting());
  cluster.Reconcile();
  std::erase_if(cluster.config_maps, [&](const api::ConfigMap& config) { return config.meta.name == first; });
  cluster.replica_sets.front().config = "[]";
  EXPECT_EQ(MadeConfigMap(Plan(cluster.Observe())), nullptr);
  cluster.Reconcile();
  EXPECT_EQ(cluster.status().rollout.reason, "ConfigMapMissing");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("restore it from a backup"));
  cluster.Kubernetes();
  cluster.Reconcile();
  cluster.Reconcile();
  EXPECT_EQ(cluster.status().rollout.reason, "NotFound") << "both are told";
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("ConfigMap " + first + " was deleted"));
}

TEST_F(Rollouts, MakeAConfigMapAgainThatTheyDeletedWhenTheyDidNotSeeItsReplicaSet) {
  Serve(1);
  Ask("v2");
  cluster.Run();
  const api::ReplicaSet hidden = *cluster.Find(first);
  std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == first; });
  cluster.Run();
  EXPECT_EQ(cluster.config_maps.size(), 1U);
  cluster.replica_sets.push_back(hidden);
  cluster.Run();
  EXPECT_EQ(cluster.config_maps.size(), 2U);
}

TEST_F(Rollouts, ForgetARevisionOnlyIfItStillIsWhatWasSeen) {
  Serve(1);
  Ask("v2");
  cluster.Run();
  Set({{"revisionHistoryLimit", 0}});
  cluster.replica_sets.front().meta.resource_version = "5";
  std::string version;
  const Decision decision = Plan(cluster.Observe());
  for (const Action& action : decision.actions) {
    const auto* remove = std::get_if<plan::Delete>(&action);
    if (remove != nullptr && remove->kind == Kind::kReplicaSet) version = remove->resource_version;
  }
  EXPECT_EQ(version, "5");
}

TEST_F(Rollouts, ThatArePausedScaleTheCandidateDownBehindWhatIsListed) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Set({{"paused", true}});
  cluster.Apply({{"replicas", 2}});
  Observed seen = cluster.Observe();
  const auto changes = [&] {
    std::int64_t size = 3;
    const Decision decision = Plan(seen);
    for (const Action& action : decision.actions) {
      const auto* change = std::get_if<ChangeReplicaSet>(&action);
      if (change != nullptr && change->name == second) size = change->replicas;
    }
    return size;
  };
  seen.now += minutes(1);
  EXPECT_EQ(changes(), 2);
  std::erase(*seen.ready_endpoints, cluster.Pods(second).front()->meta.uid);
  EXPECT_EQ(changes(), 3) << "that one might be what is left";
}

TEST_F(Rollouts, ScaleDownBehindWhatIsListedAndNotOnlyReady) {
  Serve(3);
  cluster.Apply({{"replicas", 2}});
  Observed seen = cluster.Observe();
  seen.ready_endpoints->pop_back();
  const Decision decision = Plan(seen);
  for (const Action& action : decision.actions)
    EXPECT_FALSE(std::holds_alternative<ChangeReplicaSet>(action));
  ASSERT_TRUE(decision.status);
  EXPECT_EQ(decision.status->rollout.phase, Phase::kScaling);
  EXPECT_EQ(decision.status->rollout.reason, "WaitingForEndpoints");
  cluster.Run();
  EXPECT_EQ(Size(first), 2);
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

TEST_F(Rollouts, KeepAPinWhateverAPodOnTrialHasFound) {
  Serve(2);
  const std::string second = Ask("v2", Good('b'));
  Until([&] { return !cluster.Pods(second).empty(); });
  // Somebody has bound the revision to other bytes since that pod was made.
  for (api::ReplicaSet& rs : cluster.replica_sets) {
    if (rs.meta.name == second) rs.digest = Digest('c');
  }
  cluster.Run(minutes(2));
  EXPECT_EQ(cluster.Find(second)->digest, Digest('c'));
  EXPECT_EQ(Serving(second), 0);
  EXPECT_EQ(cluster.status().stable_revision, first);
}

TEST_F(Rollouts, KeepWhatWasReplacedWhileTheNewOneHasLostPods) {
  Serve(3);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kSettling; });
  // The moment in which it becomes stable: that is written, and nothing else is done.
  while (phase() == Phase::kSettling) {
    cluster.Reconcile(0);
    cluster.Wait(seconds(1));
  }
  ASSERT_EQ(phase(), Phase::kRetiring);
  const std::int64_t left = Serving(first);
  ASSERT_GT(left, 0);
  const std::string lost = cluster.Pods(second).front()->meta.name;
  cluster.pod_behaviours[lost] = Waiting();
  cluster.Kubernetes();
  cluster.Run(seconds(30));
  EXPECT_EQ(Serving(first), left);
  cluster.pod_behaviours.erase(lost);
  cluster.Run();
  EXPECT_EQ(Serving(first), 0);
  EXPECT_EQ(Serving(second), 3);
}

}  // namespace
}  // namespace pilotlight::plan::testing
