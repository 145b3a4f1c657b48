// Old revisions: which are kept, and with what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/plan.h"
#include "operator/plan/testing/rollouts.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

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

// The Create of a ConfigMap that `decision` asks for; null: none.
const Create* MadeConfigMap(const Decision& decision) {
  for (const Action& action : decision.actions) {
    const auto* create = std::get_if<Create>(&action);
    if (create != nullptr && create->kind == Kind::kConfigMap) return create;
  }
  return nullptr;
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

}  // namespace
}  // namespace pilotlight::plan::testing
