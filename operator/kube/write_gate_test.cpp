#include "operator/kube/write_gate.h"

#include <gtest/gtest.h>

#include "common/time/fake_clock.h"
#include "operator/kube/store.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;

class FakeView final : public StoreView {
 public:
  std::optional<Version> VersionOf(const Key& /*key*/) const override { return object; }
  std::string SeenUpTo(const std::string& /*ns*/) const override { return seen; }
  std::optional<Version> object;
  std::string seen;
};

class WriteGateTest : public testing::Test {
 protected:
  const Key key_{"ns", "model"};
  const Key child_{"ns", "child"};
  FakeClock clock_;
  FakeView view_;
  WriteGate gate_{clock_, 10s};
};

TEST_F(WriteGateTest, IsOpenWhenNothingWasWritten) {
  EXPECT_TRUE(gate_.Open(key_));
}

TEST_F(WriteGateTest, StaysShutUntilTheStoreHasSeenTheWrite) {
  view_.seen = "99";
  gate_.Wrote(key_, view_, child_, "100");
  EXPECT_FALSE(gate_.Open(key_));
  EXPECT_TRUE(gate_.Open({"ns", "another"}));
  view_.seen = "100";
  EXPECT_TRUE(gate_.Open(key_));
}

TEST_F(WriteGateTest, StaysShutUntilEveryWriteWasSeen) {
  view_.seen = "100";
  gate_.Wrote(key_, view_, child_, "100");
  gate_.Wrote(key_, view_, child_, "101");
  EXPECT_FALSE(gate_.Open(key_));
}

TEST_F(WriteGateTest, AStoreThatHasSeenNothingAtAllKeepsItShut) {
  gate_.Wrote(key_, view_, child_, "100");
  EXPECT_FALSE(gate_.Open(key_));
}

TEST_F(WriteGateTest, ADeletionIsSeenWhenTheObjectIsGoneGoingOrAnother) {
  for (const auto& after :
       {std::optional<StoreView::Version>(), std::optional(StoreView::Version{"u1", "5", true}),
        std::optional(StoreView::Version{"u2", "5", false})}) {
    view_.object = StoreView::Version{"u1", "4", false};
    gate_.Deleted(key_, view_, child_, "u1");
    EXPECT_FALSE(gate_.Open(key_));
    view_.object = after;
    EXPECT_TRUE(gate_.Open(key_));
  }
}

TEST_F(WriteGateTest, OpensAnywayWhenPatienceRunsOut) {
  gate_.Wrote(key_, view_, child_, "100");
  clock_.Advance(9999ms);
  EXPECT_FALSE(gate_.Open(key_));
  clock_.Advance(1ms);
  EXPECT_TRUE(gate_.Open(key_));
}

TEST_F(WriteGateTest, ForgetsAKeyThatIsGone) {
  gate_.Wrote(key_, view_, child_, "100");
  gate_.Forget(key_);
  EXPECT_TRUE(gate_.Open(key_));
}

}  // namespace
}  // namespace pilotlight::kube
