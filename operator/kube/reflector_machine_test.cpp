#include "operator/kube/reflector_machine.h"

#include <gtest/gtest.h>

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using State = ReflectorMachine::State;

class ReflectorMachineTest : public testing::Test {
 protected:
  template <typename Step>
  Step Next() {
    auto step = machine_.Next(now_);
    EXPECT_TRUE(std::holds_alternative<Step>(step)) << "step is of kind " << step.index();
    return std::holds_alternative<Step>(step) ? std::get<Step>(step) : Step{};
  }
  ReflectorMachine::ListPage List() { return Next<ReflectorMachine::ListPage>(); }
  ReflectorMachine::Watch Watch() { return Next<ReflectorMachine::Watch>(); }
  std::chrono::milliseconds Wait() { return Next<ReflectorMachine::Wait>().duration; }

  void Sync(const std::string& version = "100") {
    List();
    machine_.PageListed({.resource_version = version}, now_);
  }
  void FailWatch(ErrorCode code, int status) {
    machine_.WatchEnded(Error{.code = code, .http_status = status, .message = "test"}, now_);
  }

  double jitter_ = 0;
  ReflectorMachine machine_{[this] { return jitter_; }};
  ReflectorMachine::Instant now_{1h};
};

TEST_F(ReflectorMachineTest, BeginsWithAPagedListFromTheCache) {
  EXPECT_EQ(machine_.state(), State::Empty);
  const auto page = List();
  EXPECT_EQ(page.resource_version, "0");
  EXPECT_EQ(page.limit, 500);
  EXPECT_TRUE(page.first);
  EXPECT_EQ(machine_.state(), State::Listing);
}

TEST_F(ReflectorMachineTest, IsSyncedOnlyAfterTheLastPage) {
  List();
  machine_.PageListed({.resource_version = "100", .continue_token = "t"}, now_);
  EXPECT_FALSE(machine_.synced());
  EXPECT_FALSE(machine_.list_complete());
  const auto page = List();
  EXPECT_EQ(page.continue_token, "t");
  EXPECT_FALSE(page.first);
  machine_.PageListed({.resource_version = "100"}, now_);
  EXPECT_TRUE(machine_.synced());
  EXPECT_TRUE(machine_.list_complete());
}

TEST_F(ReflectorMachineTest, WatchesFromTheListsVersionForFiveToTenMinutes) {
  Sync("100");
  EXPECT_EQ(Watch().resource_version, "100");
  jitter_ = 0;
  EXPECT_EQ(Watch().timeout, 300s);
  jitter_ = 0.999;
  EXPECT_GT(Watch().timeout, 590s);
}

TEST_F(ReflectorMachineTest, ResumesWhereTheLastEventOrBookmarkWas) {
  Sync("100");
  Watch();
  machine_.WatchEvent(EventType::Modified, "101", nullptr, now_);
  machine_.WatchEvent(EventType::Bookmark, "150", nullptr, now_);
  machine_.WatchEnded(std::nullopt, now_);
  EXPECT_EQ(Watch().resource_version, "150");
}

TEST_F(ReflectorMachineTest, ACutWatchThatHadEventsGoesOnAtOnce) {
  Sync("100");
  Watch();
  machine_.WatchEvent(EventType::Added, "101", nullptr, now_);
  FailWatch(ErrorCode::Transport, 0);
  EXPECT_EQ(Watch().resource_version, "101");
}

TEST_F(ReflectorMachineTest, AWatchThatEndsAtOnceWithNothingBacksOff) {
  Sync("100");
  Watch();
  machine_.WatchEnded(std::nullopt, now_);
  EXPECT_EQ(machine_.short_watches(), 1U);
  EXPECT_EQ(Wait(), 800ms);
  machine_.Waited();
  EXPECT_EQ(Watch().resource_version, "100");
}

TEST_F(ReflectorMachineTest, BackoffDoublesUpToThirtySecondsWithJitter) {
  Sync();
  for (const auto expected : {800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30000ms, 30000ms}) {
    Watch();
    FailWatch(ErrorCode::Server, 500);
    EXPECT_EQ(Wait(), expected);
    machine_.Waited();
  }
  jitter_ = 0.5;
  Watch();
  FailWatch(ErrorCode::Server, 500);
  EXPECT_EQ(Wait(), 45000ms);
}

TEST_F(ReflectorMachineTest, TwoHealthyMinutesForgetOldFailures) {
  Sync();
  for (int i = 0; i < 4; ++i) {
    Watch();
    FailWatch(ErrorCode::Server, 500);
    machine_.Waited();
  }
  now_ += 2min + 1s;
  Watch();
  FailWatch(ErrorCode::Server, 500);
  EXPECT_EQ(Wait(), 800ms);
}

TEST_F(ReflectorMachineTest, RetryAfterIsHonouredAndTheVersionKept) {
  Sync("100");
  Watch();
  machine_.WatchEnded(Error{.code = ErrorCode::TooManyRequests, .http_status = 429, .retry_after = 17s},
                      now_);
  EXPECT_EQ(Wait(), 17s);
  machine_.Waited();
  EXPECT_EQ(Watch().resource_version, "100");
}

TEST_F(ReflectorMachineTest, GoneAsAStatusRelistsFromTheLastVersion) {
  Sync("100");
  Watch();
  FailWatch(ErrorCode::Gone, 410);
  const auto page = List();
  EXPECT_EQ(page.resource_version, "100");
  EXPECT_EQ(page.limit, 0);
}

TEST_F(ReflectorMachineTest, GoneAsAnEventEndsTheWatchAndRelists) {
  Sync("100");
  Watch();
  const Error gone{.code = ErrorCode::Gone, .http_status = 410};
  EXPECT_FALSE(machine_.WatchEvent(EventType::Error, "", &gone, now_));
  machine_.WatchEnded(std::nullopt, now_);
  EXPECT_EQ(List().resource_version, "100");
}

TEST_F(ReflectorMachineTest, GoneOnAListIsTriedOnceByQuorumAndThenBacksOff) {
  Sync("100");
  Watch();
  FailWatch(ErrorCode::Gone, 410);
  List();
  machine_.ListFailed({.code = ErrorCode::Gone, .http_status = 410}, now_);
  const auto page = List();
  EXPECT_EQ(page.resource_version, std::nullopt);
  EXPECT_EQ(page.limit, 500);
  machine_.ListFailed({.code = ErrorCode::Gone, .http_status = 410}, now_);
  EXPECT_EQ(machine_.state(), State::Backoff);
}

TEST_F(ReflectorMachineTest, AContinueTokenThatRanOutMeansAWholeListAnew) {
  List();
  machine_.PageListed({.resource_version = "100", .continue_token = "t"}, now_);
  List();
  machine_.ListFailed({.code = ErrorCode::Gone, .http_status = 410}, now_);
  const auto page = List();
  EXPECT_TRUE(page.first);
  EXPECT_EQ(page.limit, 0);
  EXPECT_EQ(page.resource_version, std::nullopt);
  EXPECT_EQ(page.continue_token, "");
}

TEST_F(ReflectorMachineTest, AServerThatAlwaysSaysGoneIsNotHammered) {
  Sync("100");
  Watch();
  FailWatch(ErrorCode::Gone, 410);
  Sync("100");
  Watch();
  FailWatch(ErrorCode::Gone, 410);
  EXPECT_EQ(machine_.state(), State::Backoff);
}

TEST_F(ReflectorMachineTest, AFailedListBacksOffAndBeginsAnew) {
  List();
  machine_.ListFailed({.code = ErrorCode::Transport}, now_);
  EXPECT_EQ(Wait(), 800ms);
  machine_.Waited();
  EXPECT_TRUE(List().first);
}

TEST_F(ReflectorMachineTest, SyntheticEventsDoNotMoveTheVersion) {
  Sync("0");
  Watch();
  machine_.WatchEvent(EventType::Added, "300", nullptr, now_);
  machine_.WatchEvent(EventType::Added, "7", nullptr, now_);
  EXPECT_EQ(machine_.resource_version(), "0");
  machine_.WatchEvent(EventType::Bookmark, "301", nullptr, now_);
  machine_.WatchEvent(EventType::Added, "302", nullptr, now_);
  EXPECT_EQ(machine_.resource_version(), "302");
}

TEST_F(ReflectorMachineTest, ARelistNeverGoesBackToTheCachesWhim) {
  Sync("100");
  Watch();
  FailWatch(ErrorCode::Gone, 410);
  EXPECT_NE(List().resource_version, "0");
}

}  // namespace
}  // namespace pilotlight::kube
