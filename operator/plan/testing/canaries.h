#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "operator/plan/names.h"
#include "operator/plan/testing/rollout_fixture.h"

// What tests of canaries start from.
namespace pilotlight::plan::testing {

class Canaries : public RolloutFixture {
 protected:
  // `replicas` pods of a first revision, with requests coming in.
  void Serve(int replicas, double requests = 50) {
    cluster.Apply({{"replicas", replicas}, {"rollout", {{"strategy", "Canary"}}}});
    cluster.Run();
    first = cluster.Revision();
    cluster.events.clear();
    cluster.requests_per_second = requests;
    cluster.after_write = [this] { Check(); };
  }
  // Who wants no golden re-checks gets no golden requests in a canary, either.
  void NoProbes() { cluster.Apply({{"validation", {{"recheckInterval", "0s"}}}}); }
  void Steps(const nlohmann::json& steps) { Set({{"canary", {{"steps", steps}}}}); }
  // Of every stable pod; −1: they differ.
  double Weight() {
    std::set<double> weights;
    for (const api::Pod* pod : cluster.Pods(cluster.status().stable_revision)) {
      if (pod->traffic == kTrafficService)
        weights.insert(cluster.sidecars.at(pod->meta.uid).WeightInForce(cluster.now));
    }
    return weights.size() == 1 ? *weights.begin() : -1;
  }
  template <typename F>
  void Until(F done) {
    RolloutFixture::Until(done, std::chrono::seconds(4), 6000);
  }
  void UntilPromoted(const std::string& revision) {
    Until([&] { return phase() == api::Phase::kComplete && cluster.status().stable_revision == revision; });
  }
  void UntilStep(std::int64_t step) {
    Until([&] { return canary().step == step && canary().step_since.has_value(); });
  }
  // A second revision beside so many pods of a first one, in that step.
  std::string AtStep(std::int64_t step, int replicas) {
    Serve(replicas);
    std::string second = Ask("v2");
    UntilStep(step);
    return second;
  }
  // The same in its only step, which lasts.
  std::string StayAt(std::int64_t weight, int replicas, const std::string& pause = "1h") {
    Serve(replicas);
    Steps({{{"weight", weight}, {"pause", pause}}});
    std::string second = Ask("v2");
    UntilStep(1);
    return second;
  }
  // What holds at all times.
  void Check() {
    const auto& status = cluster.status();
    for (const api::Pod& pod : cluster.pods) {
      const auto sidecar = cluster.sidecars.find(pod.meta.uid);
      if (sidecar == cluster.sidecars.end()) continue;
      for (const api::Pod& peer : cluster.pods) {
        if (!sidecar->second.Hands(peer.meta.uid, cluster.now)) continue;
        EXPECT_FALSE(peer.digest.empty()) << peer.meta.name << " gets requests and is bound to nothing";
        const auto& callee = cluster.sidecars.at(peer.meta.uid);
        EXPECT_TRUE(callee.Accepts(sidecar->second.certificate()))
            << peer.meta.name << " does not let its caller in";
      }
    }
    if (least > 0 && !status.stable_revision.empty()) {
      EXPECT_GE(Serving(status.stable_revision), least);
    }
  }
  const api::CanaryStatus& canary() const {
    static const api::CanaryStatus kNone;
    return cluster.status().rollout.canary ? *cluster.status().rollout.canary : kNone;
  }

  std::int64_t least = 0;  // stable pods that serve at all times; 0: not checked
};

}  // namespace pilotlight::plan::testing
