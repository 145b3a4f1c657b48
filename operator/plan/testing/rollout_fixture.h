#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "operator/plan/fleet.h"
#include "operator/plan/testing/cluster.h"

// What tests of rollouts of any strategy start from.
namespace pilotlight::plan::testing {

class RolloutFixture : public ::testing::Test {
 protected:
  // Asks for another revision; returns its name.
  std::string Ask(const std::string& version, const Behaviour& how = Good('b')) {
    cluster.Apply({{"model", {{"uri", "https://models.example/" + version}}}});
    cluster.behaviours[cluster.Revision()] = how;
    return cluster.Revision();
  }
  void Set(const nlohmann::json& rollout) { cluster.Apply({{"rollout", rollout}}); }
  std::int64_t Size(const std::string& revision) const {
    const api::ReplicaSet* rs = cluster.Find(revision);
    return rs == nullptr ? 0 : rs->replicas;
  }
  std::int64_t Serving(const std::string& revision) const {
    const auto seen = cluster.ObserveChildren();
    return Fleet(seen).CountServing(revision);
  }
  // So many decisions, each with Kubernetes behind it and `pace` after it; then `check` is called.
  template <typename F>
  void Pass(int times, std::chrono::seconds pace, F check) {
    for (int i = 0; i < times; ++i) {
      cluster.Reconcile();
      cluster.Kubernetes();
      cluster.Wait(pace);
      check();
    }
  }
  void Pass(int times, std::chrono::seconds pace = std::chrono::seconds(0)) {
    Pass(times, pace, [] {});
  }
  // Decides until `done`, at most so many times, with `pace` after every third.
  template <typename F>
  void Until(F done, std::chrono::seconds pace, int most) {
    for (int i = 0; i < most; ++i) {
      if (done()) return;
      Pass(1, i % 3 == 2 ? pace : std::chrono::seconds(0));
    }
    FAIL() << "it never comes to that; it is in " << api::ToString(phase()) << ": "
           << cluster.status().rollout.reason << ": " << cluster.status().rollout.message;
  }
  api::Phase phase() const { return cluster.status().rollout.phase; }

  Cluster cluster;
  std::string first;  // the first revision
};

}  // namespace pilotlight::plan::testing
