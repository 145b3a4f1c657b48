// The operator may be killed between any two writes, and whatever happened meanwhile, the end is the same.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "operator/plan/names.h"
#include "operator/plan/plan.h"
#include "operator/plan/testing/serving.h"

namespace pilotlight::plan::testing {
namespace {

using nlohmann::json;

// What must hold after every single write, whatever came before.
void CheckInvariants(const Cluster& cluster) {
  std::set<std::string> in_service;
  for (const api::Pod& pod : cluster.pods) {
    if (pod.traffic != kTrafficService) continue;
    in_service.insert(pod.meta.revision);
    EXPECT_TRUE(IsDigest(pod.digest)) << pod.meta.name << " is in the Service and not bound";
    const api::ReplicaSet* rs = cluster.Find(pod.meta.revision);
    EXPECT_TRUE(rs == nullptr || pod.digest == rs->digest) << pod.meta.name << " is bound to other bytes";
    const auto& behaviours = cluster.behaviours;
    if (const auto how = behaviours.find(pod.meta.revision); how != behaviours.end() && how->second.final) {
      ADD_FAILURE() << pod.meta.name << " failed its proof and is in the Service";
    }
  }
  EXPECT_LE(in_service.size(), 2U);
  for (const api::ReplicaSet& rs : cluster.replica_sets) {
    EXPECT_TRUE(rs.traffic != kTrafficService || IsDigest(rs.digest)) << rs.meta.name;
    EXPECT_TRUE(rs.replicas <= 2 || IsDigest(rs.digest)) << rs.meta.name << " has grown unproven";
  }
}

json UriOf(int version) {
  return Uri("v" + std::to_string(version) + ".tar");
}

class Convergence : public ::testing::TestWithParam<unsigned> {};

TEST_P(Convergence, EndsTheSameAfterCrashesAnywhere) {
  std::mt19937 random(GetParam());
  const auto roll = [&](int sides) { return static_cast<int>(random() % static_cast<unsigned>(sides)); };
  Cluster cluster;
  // Version 3 is bad, version 4 comes late.
  for (const int version : {0, 1, 2, 3, 4}) {
    cluster.Apply(UriOf(version));
    cluster.behaviours[cluster.Revision()] = version == 3   ? Broken()
                                             : version == 4 ? Waiting()
                                                            : Good(static_cast<char>('a' + version));
  }
  cluster.Apply(UriOf(0));
  cluster.after_write = [&] { CheckInvariants(cluster); };

  for (int step = 0; step < 120; ++step) {
    if (roll(10) == 0) cluster.Apply(UriOf(roll(5)));
    if (roll(15) == 0) cluster.Apply({{"replicas", roll(4)}});
    if (roll(20) == 0) cluster.has_endpoint_slices = !cluster.has_endpoint_slices;
    if (roll(25) == 0 && !cluster.pods.empty()) cluster.pods.erase(cluster.pods.begin());  // a node was lost
    // A crash after so many writes of the decision; most often after none of them is missing.
    cluster.Reconcile(roll(3) == 0 ? static_cast<std::size_t>(roll(4)) : SIZE_MAX);
    if (roll(3) != 0) cluster.Kubernetes();
    cluster.Wait(std::chrono::seconds(roll(8)));
    if (::testing::Test::HasFailure()) return;
  }
  cluster.has_endpoint_slices = true;
  cluster.Apply(UriOf(1));
  cluster.Apply({{"replicas", 3}});
  cluster.Run(std::chrono::seconds(600));

  EXPECT_EQ(cluster.status().rollout.phase, api::Phase::kComplete);
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
  EXPECT_EQ(Serving(cluster), 3);
  EXPECT_EQ(cluster.pods.size(), 3U) << "nothing but the stable revision has pods";
  EXPECT_LE(cluster.replica_sets.size(), 6U);
  EXPECT_EQ(cluster.config_maps.size(), cluster.replica_sets.size());
  EXPECT_TRUE(cluster.budget);
  const std::size_t writes = cluster.writes;
  for (int i = 0; i < 3; ++i) {
    cluster.Wait(std::chrono::hours(1));
    const Decision decision = cluster.Reconcile();
    EXPECT_FALSE(decision.again_after) << "something is still waited for";
    EXPECT_TRUE(decision.probe.empty()) << "somebody is still asked";
  }
  EXPECT_EQ(cluster.writes, writes) << "at rest nothing is written";
}

INSTANTIATE_TEST_SUITE_P(Seeds, Convergence, ::testing::Range(0U, 100U));

// Every place where one rollout can be cut, not a sample of them.
TEST(Cuts, EveryCutOfARolloutEndsTheSame) {
  for (std::size_t cut = 0; cut < 60; ++cut) {
    Cluster cluster;
    cluster.Apply({{"replicas", 2}});
    cluster.Run();
    const std::string old = cluster.Revision();
    cluster.Apply(UriOf(9));
    cluster.behaviours[cluster.Revision()] = Good('b');
    std::size_t done = 0;
    cluster.after_write = [&] {
      ++done;
      CheckInvariants(cluster);
      EXPECT_GE(Serving(cluster), 2) << "fewer than asked for serve, after write " << done << " with cut "
                                     << cut;
    };
    // The first decisions are cut short after `cut` writes in all; then somebody else goes on.
    for (std::size_t left = cut; left > 0;) {
      const std::size_t before = done;
      const Decision decision = cluster.Reconcile(left);
      if (done == before) cluster.Wait(std::chrono::seconds(1));
      left -= std::min(left, std::max<std::size_t>(done - before, 1));
      cluster.Kubernetes();
    }
    cluster.Run();
    ASSERT_EQ(cluster.status().stable_revision, cluster.Revision()) << cut;
    ASSERT_EQ(cluster.Find(old)->replicas, 0) << cut;
    ASSERT_EQ(cluster.pods.size(), 2U) << cut;
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace pilotlight::plan::testing
