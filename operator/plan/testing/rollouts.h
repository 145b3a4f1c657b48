#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "operator/plan/fleet.h"
#include "operator/plan/testing/rollout_fixture.h"

// What tests of rolling updates start from.
namespace pilotlight::plan::testing {

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
    RolloutFixture::Until(done, std::chrono::seconds(1), 2000);
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

}  // namespace pilotlight::plan::testing
