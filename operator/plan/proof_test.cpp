// What counts as a proof of a revision, and what comes of one that fails its.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <variant>

#include "operator/plan/names.h"
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

class Proofs : public ::testing::Test {
 protected:
  // One pod on trial, its sidecar's report about to be read.
  Proofs() {
    cluster_.Reconcile();
    cluster_.Kubernetes();
    cluster_.Reconcile();
    seen_ = cluster_.Observe();
    uid_ = seen_.pods[0].meta.uid;
  }
  bool Promotes() const { return !Of<ChangeReplicaSet>(Plan(seen_)).empty(); }
  api::Report& report() { return seen_.reports.at(uid_); }

  Cluster cluster_;
  Observed seen_;
  std::string uid_;
};

TEST_F(Proofs, AreTakenFromThePodItself) {
  EXPECT_TRUE(Promotes());
}
TEST_F(Proofs, OfAnotherPodAreNone) {
  report().pod_uid = "other";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAnotherRevisionAreNone) {
  report().revision = "digits-other";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAContainerThatHasEndedAreNone) {
  report().container_id = "before";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfASidecarThatIsNotReadyAreNone) {
  report().ready = false;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAPodThatKubernetesDoesNotCallReadyAreNone) {
  seen_.pods[0].ready = false;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, WithoutAReportAreNone) {
  report().proof = nullptr;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, WithoutADigestAreNone) {
  report().digest = "sha256:short";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfOtherBytesThanTheUserAskedForAreNone) {
  cluster_.Apply({{"model", {{"digest", Digest('b')}}}});
  cluster_.Reconcile();
  cluster_.Kubernetes();
  cluster_.Run(seconds(20));
  EXPECT_EQ(cluster_.status().stable_revision, "");
  EXPECT_EQ(Serving(cluster_), 0);
}
TEST_F(Proofs, OfAPodOnItsWayOutAreNone) {
  seen_.pods[0].meta.deleting = true;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, AreAskedForOnlyWhileThePodRuns) {
  EXPECT_THAT(Plan(seen_).probe, ElementsAre(uid_));
  seen_.pods[0].running = false;
  EXPECT_THAT(Plan(seen_).probe, IsEmpty());
}

TEST(Unpinned, PodWithTheSameBytesIsLetInAndOneWithOthersIsReplaced) {
  Cluster cluster = Serving(2);
  api::Pod& first = cluster.pods[0];
  first.digest.clear();
  first.traffic = kTrafficNone;
  cluster.Reconcile();
  EXPECT_EQ(first.traffic, kTrafficNone) << "it has not been asked yet";
  cluster.Reconcile();
  EXPECT_EQ(first.digest, Digest('a'));
  EXPECT_EQ(first.traffic, kTrafficService);

  api::Pod& second = cluster.pods[1];
  const std::string name = second.meta.name;
  cluster.pod_behaviours[name] = Good('b');
  second.digest.clear();
  second.traffic = kTrafficNone;
  cluster.Reconcile();
  cluster.Reconcile();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(name));
  EXPECT_THAT(cluster.EventReasons(), Contains("SourceChanged"));
}

TEST(Unpinned, PodIsAskedForItsProofUntilItsLabelIsSeen) {
  Cluster cluster;
  cluster.Apply({{"replicas", 1}});
  for (int step = 0; step < 20; ++step) {
    const Decision decision = Plan(cluster.Observe());
    if (const auto labels = Of<LabelPod>(decision); !labels.empty()) {
      const auto pods = cluster.Pods(cluster.Revision());
      ASSERT_EQ(pods.size(), 1U);
      EXPECT_THAT(decision.probe, ElementsAre(pods.front()->meta.uid));
      if (Of<ChangeReplicaSet>(decision).empty())
        return;  // the label alone is left, and the proof is still there
      const auto label = std::ranges::find_if(
          decision.actions, [](const Action& action) { return std::holds_alternative<LabelPod>(action); });
      cluster.Reconcile(static_cast<std::size_t>(label - decision.actions.begin()));  // and the label is lost
      continue;
    }
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  FAIL() << "no pod was ever labelled";
}

TEST(Unpinned, PodBoundToOtherBytesIsReplaced) {
  Cluster cluster = Serving(2);
  const std::string name = cluster.pods[0].meta.name;
  cluster.pods[0].digest = Digest('f');
  cluster.Reconcile();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(name));
}

TEST(FailedProof, IsSaidBeforeAnythingIsTakenAway) {
  Cluster cluster;
  cluster.usual = Broken("InvalidBundle");
  cluster.Reconcile();
  cluster.Kubernetes();
  cluster.Reconcile();
  const Decision decision = Plan(cluster.Observe());
  ASSERT_TRUE(decision.status);
  const auto& failure = decision.status->FindRevision(cluster.Revision())->failure;
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, "InvalidBundle");
  EXPECT_EQ(failure->remedy, "Export it again");
  ASSERT_EQ(decision.actions.size(), 2U);
  const auto& event = std::get<EmitEvent>(decision.actions[0]);
  EXPECT_TRUE(event.warning);
  EXPECT_EQ(event.reason, "InvalidBundle");
  EXPECT_THAT(event.message, HasSubstr("expected 1, got 2. Export it again"));
  EXPECT_EQ(std::get<ChangeReplicaSet>(decision.actions[1]).replicas, 0);
}

TEST(FailedProof, IsOneThatNamesNoSignerWhereOneIsRequired) {
  for (const char* policy : {"Require", "Warn"}) {
    const bool required = std::string_view(policy) == "Require";
    for (const bool verified : {false, true}) {
      Cluster cluster;
      cluster.usual.signature = verified ? nlohmann::json{{"keyId", "sha256:aa"}} : nlohmann::json::object();
      cluster.Apply(
          {{"model",
            {{"signature",
              {{"policy", policy},
               {"publicKeys", {"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"}}}}}}});
      cluster.Run();
      const bool good = verified || !required;
      EXPECT_EQ(cluster.status().rollout.phase, good ? Phase::kComplete : Phase::kFailed) << policy;
      EXPECT_EQ(Serving(cluster) > 0, good) << policy;
      if (!good) {
        EXPECT_EQ(cluster.status().revisions[0].failure->reason, "SignatureMissing");
      }
    }
  }
}

TEST(FailedProof, ThatANodeMightHaveCausedIsFinalWhenASecondPodFailsOnAnotherNode) {
  Cluster cluster = Serving(3);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  const std::string bad = cluster.Revision();
  cluster.behaviours[bad] = Broken();
  std::size_t most = 0;
  std::set<std::string> nodes;
  cluster.after_write = [&] {
    most = std::max(most, cluster.Pods(bad).size());
    for (const api::Pod* pod : cluster.Pods(bad)) nodes.insert(pod->node);
    EXPECT_EQ(Serving(cluster), 3);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_EQ(most, 2U);
  EXPECT_THAT(nodes, Contains("node-2"));
  EXPECT_THAT(cluster.Pods(bad), IsEmpty());
}

TEST(FailedProof, OfOnePodIsItsNodesFaultWhenAnotherPasses) {
  Cluster cluster = Serving(2);
  cluster.Apply(Uri("v2"));
  const std::string next = cluster.Revision();
  cluster.behaviours[next] = Broken();
  for (int i = 0; i < 20 && cluster.Pods(next).empty(); ++i) {
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  const std::string bad = cluster.Pods(next)[0]->meta.name;
  cluster.pod_behaviours[bad] = Broken();
  cluster.behaviours[next] = Good('b');  // the second one
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 2); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, next);
  EXPECT_EQ(cluster.status().FindRevision(next)->phase, api::RevisionPhase::kProven);
  EXPECT_THAT(cluster.deleted_pods, Contains(bad));
  EXPECT_THAT(cluster.EventReasons(), Contains("GoldenMismatch")) << "it is told while it is doubted";
  EXPECT_THAT(cluster.EventReasons(), Contains("PodReplaced"));
}

TEST(FailedProof, IsFinalWhereThereIsNoRoomForASecondPod) {
  for (const bool refused : {false, true}) {
    Cluster cluster;
    cluster.usual = Broken();
    for (int i = 0; i < 20 && cluster.replica_sets.empty(); ++i) cluster.Reconcile();
    cluster.Kubernetes();
    cluster.schedules = refused;
    cluster.Reconcile();
    cluster.Reconcile();
    if (refused) cluster.replica_sets[0].failure_reason = "FailedCreate";
    if (!refused) cluster.Kubernetes();
    cluster.Reconcile();
    EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed) << refused;
  }
}

TEST(FailedProof, IsFinalAtTheDeadlineIfTheSecondPodComesToNothing) {
  Cluster cluster;
  cluster.usual = Waiting();
  for (int i = 0; i < 20 && cluster.pods.empty(); ++i) {
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Broken();
  cluster.Run(minutes(5));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/GoldenMismatch");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("a second pod, on another node if there is one"));
  cluster.Run(minutes(6));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
}

TEST(FailedProof, CostsOnePodAndIsNotTriedAgain) {
  Cluster cluster;
  cluster.Apply({{"replicas", 4}});
  cluster.usual = Broken("InvalidBundle");
  std::size_t most = 0;
  cluster.after_write = [&] { most = std::max(most, cluster.pods.size()); };
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.pods, IsEmpty());
  EXPECT_EQ(cluster.Condition("Stalled"), "True/InvalidBundle");
  EXPECT_EQ(most, 1U);
  cluster.Wait(std::chrono::hours(1));
  EXPECT_THAT(Plan(cluster.Observe()).actions, IsEmpty());
}

TEST(FailedProof, LeavesTheOldRevisionServing) {
  Cluster cluster = Serving(3);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Broken();
  cluster.after_write = [&] { EXPECT_EQ(Serving(cluster), 3); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, old);
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/RevisionFailed");
}

TEST(FailedProof, GetsAnotherTryWithANewTokenOnly) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.Run();
  cluster.usual = Good();
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed) << "scaling is no new attempt";
  EXPECT_EQ(cluster.status().rollout.attempt, 1);
  cluster.Apply({{"rollout", {{"retry", "1"}}}});
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.status().rollout.attempt, 2);
  EXPECT_FALSE(cluster.status().revisions[0].failure);
}

TEST(FailedProof, StaysAfterGoingBackAndForth) {
  Cluster cluster = Serving(1);
  cluster.Apply(Uri("v2"));
  const std::string bad = cluster.Revision();
  cluster.behaviours[bad] = Broken();
  cluster.Run();
  cluster.Apply(Uri("v1.tar"));
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  cluster.behaviours[bad] = Good('b');
  cluster.Apply(Uri("v2"));
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.Pods(bad), IsEmpty());
}

TEST(FailedProof, IsRememberedWhenItsReplicaSetIsGone) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.Run();
  cluster.replica_sets.clear();
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.replica_sets, IsEmpty());
}

TEST(FailedProof, IsNoneWithoutFinalOrOfTheWorld) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.usual.final = false;
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
  cluster.usual = Waiting();
  cluster.usual.final = true;
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
}

}  // namespace
}  // namespace pilotlight::plan::testing
