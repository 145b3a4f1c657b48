#include "sidecar/front/split/probes.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "sidecar/front/still_timers_for_test.h"

namespace pilotlight::front {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::StillTimers;
using Cases = std::vector<std::uint64_t>;

class ProbesTest : public ::testing::Test {
 protected:
  void Order(std::chrono::duration<double> every = seconds(1), seconds lasts = seconds(300)) {
    probes_.order(every, timers_.wall() + lasts);
  }
  void Answer(const char* failure = nullptr) {
    wire::Rechecked result{.id = 1, .golden_case = "one", .worst_error = {}, .failure = {}};
    if (failure != nullptr) result.failure = wire::Failure{.reason = failure};
    const auto answered = std::exchange(answered_, nullptr);
    ASSERT_TRUE(answered) << "nothing was asked";
    answered(&result);
  }
  void Lose() {
    probes_.lost();
    if (const auto answered = std::exchange(answered_, nullptr)) answered(nullptr);
  }
  void ExpectCounted(std::uint64_t requests, std::uint64_t bad) {
    EXPECT_EQ(probes_.requests(), requests);
    EXPECT_EQ(probes_.bad(), bad);
  }

  StillTimers timers_;
  bool engine_ = true;
  std::uint64_t inferences_ = 0;
  Cases asked_;
  Recheck::Answered answered_;
  Probes probes_{timers_,
                 {.ask =
                      [this](std::uint64_t golden_case, Recheck::Answered done) {
                        if (!engine_) return false;
                        ++inferences_;
                        asked_.push_back(golden_case);
                        answered_ = std::move(done);
                        return true;
                      },
                  .inferences = [this] { return inferences_; }}};
};

TEST_F(ProbesTest, NobodyIsAskedBeforeItIsOrdered) {
  probes_.serving(2);
  timers_.pass(seconds(1000));
  EXPECT_EQ(asked_, Cases());
}

TEST_F(ProbesTest, EachCaseHasItsTurn) {
  probes_.serving(2);
  Order();
  for (int i = 0; i < 3; ++i) {
    timers_.pass(seconds(1));
    Answer();
  }
  EXPECT_EQ(asked_, Cases({0, 1, 0}));
  ExpectCounted(3, 0);
}

TEST_F(ProbesTest, AModelWithoutCasesIsNotAsked) {
  probes_.serving(0);
  Order();
  timers_.pass(seconds(100));
  EXPECT_EQ(asked_, Cases());
}

TEST_F(ProbesTest, WhereOthersAskNoGoldenRequestIsWanted) {
  probes_.serving(1);
  Order();
  for (int i = 0; i < 5; ++i) {
    ++inferences_;
    timers_.pass(seconds(1));
  }
  EXPECT_EQ(asked_, Cases());
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0})) << "a whole second without one";
  Answer();
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0, 0})) << "its own is no other's";
}

TEST_F(ProbesTest, OneThatFailsIsRunOnceMoreAndCountsOnce) {
  probes_.serving(2);
  Order();
  timers_.pass(seconds(1));
  Answer("GoldenMismatch");
  EXPECT_EQ(asked_, Cases({0, 0})) << "at once";
  ExpectCounted(0, 0);
  Answer("GoldenMismatch");
  ExpectCounted(1, 1);
  timers_.pass(seconds(1));
  Answer("GoldenMismatch");
  Answer();
  ExpectCounted(2, 1);
  EXPECT_EQ(asked_, Cases({0, 0, 1, 1}));
}

TEST_F(ProbesTest, WantOfMemoryIsNoAnswer) {
  probes_.serving(1);
  Order();
  timers_.pass(seconds(1));
  Answer("OutOfMemory");
  ExpectCounted(0, 0);
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0, 0}));
}

TEST_F(ProbesTest, TheEngineIsOthersForNineTimesAsLongAsACaseTakes) {
  probes_.serving(1);
  Order();
  timers_.pass(seconds(1));
  timers_.pass(seconds(2));  // that it takes
  Answer();
  timers_.pass(milliseconds(17'900));
  EXPECT_EQ(asked_.size(), 1);
  timers_.pass(milliseconds(100));
  EXPECT_EQ(asked_.size(), 2);
}

TEST_F(ProbesTest, TheyEndWhenTheirTimeIsOverOrWhenToldSo) {
  probes_.serving(1);
  Order(seconds(1), seconds(2));
  timers_.pass(seconds(1));
  Answer();
  timers_.pass(seconds(1));
  Answer();
  timers_.pass(seconds(100));
  EXPECT_EQ(asked_.size(), 2);
  Order();
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_.size(), 3) << "and begin again";
  Order(seconds(0));
  Answer();
  timers_.pass(seconds(100));
  EXPECT_EQ(asked_.size(), 3);
}

TEST_F(ProbesTest, ToBeToldAgainDelaysNone) {
  probes_.serving(1);
  for (int i = 0; i < 4; ++i) {
    Order();
    timers_.pass(milliseconds(300));
  }
  EXPECT_EQ(asked_.size(), 1);
  Order();  // while it is being run
  timers_.pass(seconds(5));
  EXPECT_EQ(asked_.size(), 1) << "one at a time";
  Answer();
  ExpectCounted(1, 0);
}

TEST_F(ProbesTest, WithTheEngineACaseIsLostAndTheNextEngineBeginsAtTheFirst) {
  probes_.serving(2);
  Order();
  timers_.pass(seconds(1));
  Answer();
  timers_.pass(seconds(1));
  Lose();
  timers_.pass(seconds(10));
  EXPECT_EQ(asked_, Cases({0, 1}));
  probes_.serving(2);
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0, 1, 0}));
  ExpectCounted(1, 0);
}

TEST_F(ProbesTest, AnEngineThatCannotBeAskedIsAskedLater) {
  probes_.serving(1);
  engine_ = false;
  Order();
  timers_.pass(seconds(3));
  engine_ = true;
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_.size(), 1);
}

}  // namespace
}  // namespace pilotlight::front
