// What the sidecars are told of a canary, when, and how it is known that they heard.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "operator/plan/plan.h"
#include "operator/plan/testing/canaries.h"

namespace pilotlight::plan::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(Canaries, AreTakenBackOnlyWhenNoStablePodHandsThemAnything) {
  const std::string second = AtStep(1, 4);
  cluster.orders_arrive = false;
  Set({{"abort", second}});
  Pass(30, seconds(1), [&] { EXPECT_EQ(Size(second), 1); });
  cluster.orders_arrive = true;
  Until([&] { return Size(second) == 0; });
  EXPECT_EQ(Weight(), 0);
}

TEST_F(Canaries, AreTakenBackWhenTheSplitHasExpiredWhereASidecarIsSilent) {
  const std::string second = AtStep(1, 2);
  cluster.orders_arrive = false;
  const auto begun = cluster.now;
  Set({{"abort", second}});
  Until([&] { return Size(second) == 0; });
  EXPECT_GE(cluster.now, begun + minutes(2));
  EXPECT_LE(cluster.now, begun + minutes(6));
  EXPECT_EQ(Weight(), 0);
}

TEST_F(Canaries, TellEachPodOfItsNewCallersBeforeTheseCall) {
  const std::string second = StayAt(50, 2);
  cluster.Apply({{"replicas", 4}});  // Check() sees to it
  Until([&] { return Serving(first) == 4 && Weight() == 50; });
}

TEST_F(Canaries, TellARestartedFrontAgain) {
  const std::string second = StayAt(50, 2);
  for (const std::string& revision : {first, second}) {
    api::Pod& pod = *cluster.Pods(revision).front();
    pod.running = pod.ready = false;
    Until([&] { return Weight() == 50; });
    const auto certificate = cluster.sidecars.at(cluster.Pods(second).front()->meta.uid).certificate();
    EXPECT_EQ(cluster.sidecars.at(cluster.Pods(first).front()->meta.uid).body()["peers"][0]["certificate"],
              certificate);
  }
}

TEST_F(Canaries, TellAPodAgainThatDidNotAnswer) {
  Serve(2);
  Steps({{{"weight", 50}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  Until([&] { return !cluster.Pods(second).empty(); });
  const std::string deaf = cluster.Pods(second).front()->meta.name;
  cluster.pod_behaviours[deaf] = Good('b');
  cluster.pod_behaviours[deaf].order_error = "no answer in time";
  Until([&] { return cluster.status().rollout.reason == "SidecarRefuses"; });
  EXPECT_EQ(Weight(), 0);
  cluster.pod_behaviours.clear();
  Until([&] { return Weight() == 50; });
}

TEST_F(Canaries, LookSoonAfterACallOfWhichNobodyMayEverHear) {
  const std::string second = AtStep(1, 2);
  Set({{"abort", second}});
  cluster.orders_arrive = false;
  for (int i = 0; i < 5; ++i) {
    const Decision decision = cluster.Reconcile();
    if (decision.orders.empty()) continue;
    ASSERT_TRUE(decision.again_after);
    EXPECT_LE(*decision.again_after, seconds(5));
  }
}

TEST_F(Canaries, LeaveTheirStablePodsAloneUntilTheSplitIsOff) {
  const std::string second = AtStep(1, 4);
  cluster.orders_arrive = false;
  Set({{"abort", second}});
  cluster.Apply({{"replicas", 1}});
  Pass(20);
  EXPECT_EQ(Size(first), 4);
  cluster.orders_arrive = true;
  Until([&] { return Size(first) == 1 && Size(second) == 0; });
}

TEST_F(Canaries, ThatSomebodyHasGivenMorePodsInTheServiceArePromotedAllTheSame) {
  Serve(4);
  const std::string second = Ask("v2");
  Until([&] { return phase() == api::Phase::kSettling; });
  std::ranges::find(cluster.replica_sets, second, [](const api::ReplicaSet& rs) {
    return rs.meta.name;
  })->replicas = 5;
  UntilPromoted(second);
  EXPECT_EQ(Size(second), 4);
}

// A canary that was in the Service, and then not asked for and asked for again before anybody was told to
// stop: there are no steps any more, and it is handed every request as before.
class AskedForAgain : public Canaries {
 protected:
  void Begin(const nlohmann::json& rollout) {
    Serve(4);
    second = Ask("v2");
    Until([&] { return phase() == api::Phase::kSettling; });
    cluster.orders_arrive = false;
    Set(rollout);
    ASSERT_EQ(Ask("v1.tar", Good()), first);
    cluster.Reconcile();
    ASSERT_EQ(Ask("v2"), second);
    ASSERT_FALSE(cluster.status().rollout.canary);
  }
  // For twenty decisions, in which no time passes and so the split goes on.
  void ExpectAllToStay() {
    Pass(20, seconds(0), [&] {
      EXPECT_EQ(Size(first), 4);
      EXPECT_EQ(Size(second), 4);
    });
  }
  std::string second;
};

TEST_F(AskedForAgain, LosesNoPodOfEitherSideInAPauseUntilTheSplitIsOver) {
  Begin({{"paused", true}});
  ExpectAllToStay();
  EXPECT_EQ(phase(), api::Phase::kPaused);
  Until([&] { return Size(first) == 1; });
  EXPECT_EQ(Size(second), 4);
}

TEST_F(AskedForAgain, IsScaledDownInAPauseWhenTheSplitIsOver) {
  Begin({{"paused", true}});
  cluster.Apply({{"replicas", 2}});
  ExpectAllToStay();
  Until([&] { return Size(second) == 2; });
  EXPECT_EQ(phase(), api::Phase::kPaused);
}

TEST_F(AskedForAgain, LosesNoPodOfEitherSideThoughItHasNotGrownUntilTheSplitIsOver) {
  Begin({{"maxUnavailable", 1}});
  cluster.pod_behaviours[cluster.Pods(second).front()->meta.name] = {.ready = false, .phase = "Loading"};
  ExpectAllToStay();
  EXPECT_EQ(phase(), api::Phase::kPromoting);
  Until([&] { return Size(first) < 4; });
  cluster.pod_behaviours.clear();
  UntilPromoted(second);
}

TEST_F(Canaries, ThatWereReplacedComeBackWithoutHandingOnWhatTheyGet) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return cluster.status().stable_revision == second; });
  ASSERT_EQ(Size(first), 2);
  Set({{"strategy", "RollingUpdate"}});
  ASSERT_EQ(Ask("v1.tar", Good()), first);
  Until([&] { return cluster.Find(first)->traffic == kTrafficService; });
  for (const api::Pod* pod : cluster.Pods(first))
    EXPECT_EQ(cluster.sidecars.at(pod->meta.uid).WeightInForce(cluster.now), 0);
}

// What is decided about a canary at 50 % with two pods of each side, of which the operator sees something
// else than is so.
class Orders : public Canaries {
 protected:
  Orders() {
    Serve(4);
    Steps({{{"weight", 50}, {"pause", "1h"}}, {{"weight", 60}}});
    second = Ask("v2");
    UntilStep(1);
    seen = cluster.Observe();
    fronts = cluster.Pods(first);
    callees = cluster.Pods(second);
  }
  api::Pod& Seen(const api::Pod* pod) {
    return *std::ranges::find(seen.pods, pod->meta.name, [](const api::Pod& one) { return one.meta.name; });
  }
  api::Report& ReportOf(const api::Pod* pod) { return seen.reports.at(pod->meta.uid); }
  // What the stable pods are told of a decision.
  std::vector<nlohmann::json> ToFronts(const Decision& decision) const {
    std::vector<nlohmann::json> bodies;
    for (const Order& order : decision.orders) {
      if (order.revision == first) bodies.push_back(order.body);
    }
    return bodies;
  }
  // They are told less, and of one peer, which is not `gone`.
  void ExpectOnlyTheOther(const Decision& decision, const api::Pod* gone) {
    const auto bodies = ToFronts(decision);
    EXPECT_EQ(bodies.size(), 4U);
    for (const auto& body : bodies) {
      EXPECT_EQ(body["weight"], 25);
      ASSERT_EQ(body["peers"].size(), 1U);
      EXPECT_NE(body["peers"][0]["podUID"], gone->meta.uid);
    }
  }

  std::string second;
  Observed seen;
  std::vector<api::Pod*> fronts;
  std::vector<api::Pod*> callees;
};

TEST_F(Orders, AreNotGivenWhereAllIsAsItShallBe) {
  EXPECT_THAT(Plan(seen).orders, ::testing::IsEmpty());
}

TEST_F(Orders, AreNotForStablePodsThatGetNoRequests) {
  for (const bool running : {true, false}) {
    SCOPED_TRACE(running);
    seen = cluster.Observe();
    Seen(fronts[0]).ready = false;
    Seen(fronts[0]).running = running;
    const Decision decision = Plan(seen);
    EXPECT_THAT(ToFronts(decision), ::testing::IsEmpty());
    EXPECT_EQ(decision.orders.size(), 2U) << "who is called by three now";
    for (const Order& order : decision.orders) EXPECT_EQ(order.body["callers"].size(), 3U);
  }
}

TEST_F(Orders, NameNoPodThatIsNotBound) {
  Seen(callees[0]).digest.clear();
  ExpectOnlyTheOther(Plan(seen), callees[0]);
}

TEST_F(Orders, NameNoPodThatWasTakenOut) {
  Seen(callees[0]).traffic = kTrafficNone;
  ExpectOnlyTheOther(Plan(seen), callees[0]);
}

TEST_F(Orders, NameNoPodWithoutACertificate) {
  ReportOf(callees[0]).hop_certificate.clear();
  ExpectOnlyTheOther(Plan(seen), callees[0]);
}

TEST_F(Orders, GoOnLettingInAStablePodThatCannotBeAsked) {
  ReportOf(fronts[0]).error = "no answer in time";
  ReportOf(fronts[0]).pod_uid.clear();
  EXPECT_THAT(Plan(seen).orders, ::testing::IsEmpty());
}

TEST_F(Orders, LetNobodyInWhoHasAStablePodsAddressNow) {
  ReportOf(fronts[0]).pod_uid = "another";
  for (const Order& order : Plan(seen).orders) {
    EXPECT_EQ(order.revision, second);
    EXPECT_EQ(order.body["callers"].size(), 3U);
  }
  EXPECT_EQ(Plan(seen).orders.size(), 2U);
}

TEST_F(Orders, AreNotGivenBeforeEverybodyHasBeenAsked) {
  for (const auto* pods : {&fronts, &callees}) {
    seen = cluster.Observe();
    seen.reports.erase(pods->front()->meta.uid);
    const Decision decision = Plan(seen);
    EXPECT_THAT(decision.orders, ::testing::IsEmpty());
    EXPECT_FALSE(decision.status && decision.status->rollout.canary->desired != 50);
    EXPECT_THAT(decision.probe, ::testing::Contains(pods->front()->meta.uid));
  }
}

TEST_F(Orders, ForMoreWeightWaitForTheLastPodThatHasToLetCallersIn) {
  for (const api::Pod* pod : callees) ReportOf(pod).split.id = "another";
  for (const api::Pod* pod : fronts) {
    ReportOf(pod).split.id = "another";
    ReportOf(pod).split.weight = ReportOf(pod).split.weight_in_force = 0;
  }
  const Decision decision = Plan(seen);
  EXPECT_THAT(ToFronts(decision), ::testing::IsEmpty());
  EXPECT_EQ(decision.orders.size(), 2U);
}

TEST_F(Orders, ThatHaveExpiredAreNotAppliedAnyMore) {
  ReportOf(fronts[0]).split.weight_in_force = 0;
  const Decision decision = Plan(seen);
  ASSERT_TRUE(decision.status);
  EXPECT_EQ(decision.status->rollout.canary->applied, 0);
}

TEST_F(Orders, AreNotAllThatWhatAnEarlierStepHasShownLeadsTo) {
  auto& canary = *seen.model.status.rollout.canary;
  canary.step = 2;
  canary.segments = {
      {.step = 1,
       .weight = 50,
       .candidate = 100,
       .stable = 100,
       .metrics = {{.metric = "errors", .pod = callees[0]->meta.name, .requests = 50, .bad = 10},
                   {.metric = "errors", .pod = callees[1]->meta.name, .requests = 50, .bad = 10},
                   {.metric = "errors", .requests = 100}}}};
  const Decision decision = Plan(seen);
  ASSERT_TRUE(decision.status);
  const auto& aborted = decision.status->FindRevision(second)->aborted;
  ASSERT_TRUE(aborted);
  EXPECT_EQ(aborted->reason, "MoreErrors");
}

// It is in the Service already, and one of the stable pods is missing, so that it must serve on.
TEST_F(Canaries, ThatAreTakenBackInTheServiceAreHandedNothingFromThenOn) {
  Serve(2);
  const std::string second = Ask("v2");
  Until(
      [&] { return phase() == api::Phase::kPromoting && cluster.Find(second)->traffic == kTrafficService; });
  Behaviour gone = Good();
  gone.ready = false;
  cluster.pod_behaviours[cluster.Pods(first).front()->meta.name] = gone;
  cluster.Kubernetes();
  Set({{"abort", second}});
  Pass(20, seconds(1));
  EXPECT_EQ(cluster.Find(second)->traffic, kTrafficService);
  EXPECT_EQ(cluster.sidecars.at(cluster.Pods(first).back()->meta.uid).WeightInForce(cluster.now), 0);
}

}  // namespace
}  // namespace pilotlight::plan::testing
