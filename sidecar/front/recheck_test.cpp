#include "sidecar/front/recheck.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sidecar/front/still_timers_for_test.h"

namespace pilotlight::front {
namespace {

using std::chrono::seconds;
using testing::StillTimers;

class RecheckerTest : public ::testing::Test {
 protected:
  Recheck make(seconds interval) {
    return {timers_,
            interval,
            {.ask =
                 [this](std::uint64_t golden_case, Recheck::Answered done) {
                   if (!engine_) return false;
                   asked_.push_back(golden_case);
                   answered_ = std::move(done);
                   return true;
                 },
             .ended = [this](RecheckReport report) { reports_.push_back(std::move(report)); },
             .unconfirmed = [this] { ++unconfirmed_; }}};
  }
  void pass(double error = 0) {
    answer(
        {.id = 1, .golden_case = "one", .worst_error = {{"error", error}, {"allowed", 1.0}}, .failure = {}});
  }
  void fail(const std::string& reason = "GoldenMismatch") {
    answer({.id = 1, .golden_case = "one", .worst_error = {}, .failure = wire::Failure{.reason = reason}});
  }
  void answer(const wire::Rechecked& result) {
    const auto answered = std::exchange(answered_, nullptr);
    ASSERT_TRUE(answered) << "nothing was asked";
    answered(&result);
  }

  StillTimers timers_;
  bool engine_ = true;
  std::vector<std::uint64_t> asked_;
  Recheck::Answered answered_;
  std::vector<RecheckReport> reports_;
  int unconfirmed_ = 0;
};

using Cases = std::vector<std::uint64_t>;

TEST_F(RecheckerTest, BeginsAnIntervalAfterTheProofAndAgainAfterEachTime) {
  Recheck recheck = make(seconds(600));
  recheck.serving(1);
  timers_.pass(seconds(599));
  EXPECT_EQ(asked_, Cases());
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0}));
  pass();
  EXPECT_EQ(reports_.size(), 1);
  timers_.pass(seconds(599));
  EXPECT_EQ(asked_, Cases({0}));
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0, 0}));
}

TEST_F(RecheckerTest, BetweenTwoCasesTheEngineIsTheRequestsForNineTimesAsLong) {
  Recheck recheck = make(seconds(600));
  recheck.serving(2);
  timers_.pass(seconds(600));
  timers_.pass(seconds(3));  // that the first one takes
  pass();
  timers_.pass(seconds(26));
  EXPECT_EQ(asked_, Cases({0}));
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_, Cases({0, 1}));
}

TEST_F(RecheckerTest, ReportsTheErrorThatCameNearestToWhatIsAllowed) {
  Recheck recheck = make(seconds(1));
  recheck.serving(3);
  timers_.pass(seconds(1));
  for (const double error : {0.1, 0.7, 0.3}) {
    pass(error);
    timers_.pass(seconds(0));
  }
  ASSERT_EQ(reports_.size(), 1);
  EXPECT_EQ(reports_[0].worst_error["error"], 0.7);
  EXPECT_EQ(reports_[0].cases, 3);
}

TEST_F(RecheckerTest, KeepsOfWhatAnEngineSaysOnlyWhatIsKnownAndSmall) {
  Recheck recheck = make(seconds(1));
  recheck.serving(1);
  timers_.pass(seconds(1));
  answer({.id = 1,
          .golden_case = {},
          .worst_error = {{"case", "a\nb"},
                          {"tensor", 5},
                          {"index", {1, 2}},
                          {"error", "x"},
                          {"allowed", 2},
                          {"more", std::string(100'000, 'x')}},
          .failure = {}});
  ASSERT_EQ(reports_.size(), 1);
  EXPECT_EQ(reports_[0].worst_error, (nlohmann::json{{"case", "a?b"}, {"index", {1, 2}}, {"allowed", 2}}));
}

TEST_F(RecheckerTest, AFailureIsConfirmedByTheSameCaseBeforeItCounts) {
  Recheck recheck = make(seconds(1));
  recheck.serving(2);
  timers_.pass(seconds(1));
  pass();
  timers_.pass(seconds(0));
  fail();
  EXPECT_EQ(asked_, Cases({0, 1, 1})) << "at once";
  EXPECT_TRUE(reports_.empty());
  fail();
  ASSERT_EQ(reports_.size(), 1);
  EXPECT_EQ(reports_[0].failure->failure_class, wire::FailureClass::kPod);
  EXPECT_EQ(reports_[0].cases, 2);
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_.back(), 0) << "the next time all of them again";
}

TEST_F(RecheckerTest, OneThatPassesTheSecondTimeIsNotedAndTheOthersFollow) {
  Recheck recheck = make(seconds(1));
  recheck.serving(2);
  timers_.pass(seconds(1));
  fail();
  pass();
  EXPECT_EQ(unconfirmed_, 1);
  timers_.pass(seconds(0));
  pass();
  ASSERT_EQ(reports_.size(), 1);
  EXPECT_FALSE(reports_[0].failure);
}

TEST_F(RecheckerTest, MemoryThatRunsOutSaysNothingOfTheAnswers) {
  Recheck recheck = make(seconds(1));
  recheck.serving(1);
  timers_.pass(seconds(1));
  fail("OutOfMemory");
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ(asked_.size(), 1);
  timers_.pass(seconds(1));
  EXPECT_EQ(asked_.size(), 2);
}

TEST_F(RecheckerTest, WithoutCasesOrIntervalOrEngineNobodyIsAsked) {
  Recheck without_cases = make(seconds(1));
  without_cases.serving(0);
  Recheck never = make(seconds(0));
  never.serving(3);
  Recheck lost = make(seconds(1));
  lost.serving(3);
  lost.lost();
  timers_.pass(seconds(100));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(RecheckerTest, WhereItCannotBeAskedNowItIsTriedTheNextTime) {
  Recheck recheck = make(seconds(10));
  recheck.serving(1);
  engine_ = false;  // it drains, or is about to be replaced
  timers_.pass(seconds(15));
  engine_ = true;
  timers_.pass(seconds(5));
  EXPECT_EQ(asked_, Cases({0}));
}

}  // namespace
}  // namespace pilotlight::front
