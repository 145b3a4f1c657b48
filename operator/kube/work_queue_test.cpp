#include "operator/kube/work_queue.h"

#include <gmock/gmock.h>

#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class WorkQueueTest : public testing::Test {
 protected:
  // The names of all that is ready, in order; each is done at once.
  std::vector<std::string> Drain() {
    std::vector<std::string> names;
    while (auto name = Take()) {
      names.push_back(*name);
      queue_.Done({"", *name});
    }
    return names;
  }
  // None if nothing is ready. Get would wait, so it is only called when it will not.
  std::optional<std::string> Take() {
    queue_.AddAfter({"", "~"}, 0ms, -1000);  // sorts last; also makes Get look at the clock
    const auto item = queue_.Get({});
    if (item->key.name != "~") return item->key.name;
    queue_.Done(item->key);
    return std::nullopt;
  }
  static Key K(const std::string& name) { return {"", name}; }

  FakeClock clock_;
  Metrics metrics_;
  WorkQueue queue_{"test", clock_, metrics_};
};

TEST_F(WorkQueueTest, AKeyIsInTheQueueOnce) {
  queue_.Add(K("a"));
  queue_.Add(K("b"));
  queue_.Add(K("a"));
  EXPECT_THAT(Drain(), ElementsAre("a", "b"));
}

TEST_F(WorkQueueTest, AKeyIsInOnePairOfHandsAndComesAgainIfItWasAddedMeanwhile) {
  queue_.Add(K("a"));
  EXPECT_EQ(Take(), "a");
  queue_.Add(K("a"));
  queue_.Add(K("a"));
  EXPECT_EQ(Take(), std::nullopt);
  queue_.Done(K("a"));
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, LowPriorityWaitsForNormal) {
  queue_.Add(K("old"), kLowPriority);
  queue_.Add(K("new"));
  EXPECT_THAT(Drain(), ElementsAre("new", "old"));
}

TEST_F(WorkQueueTest, AddingAgainRaisesThePriorityAndNeverLowersIt) {
  queue_.Add(K("a"), kLowPriority);
  queue_.Add(K("b"), kLowPriority);
  queue_.Add(K("b"));
  queue_.Add(K("b"), kLowPriority);
  EXPECT_THAT(Drain(), ElementsAre("b", "a"));
}

TEST_F(WorkQueueTest, ADelayedKeyComesWhenItsTimeHasComeAndNotBefore) {
  queue_.AddAfter(K("a"), 100ms);
  EXPECT_THAT(Drain(), ElementsAre());
  clock_.Advance(99ms);
  EXPECT_THAT(Drain(), ElementsAre());
  clock_.Advance(1ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(WorkQueueTest, OfTwoTimesTheEarlierHolds) {
  queue_.AddAfter(K("a"), 100ms);
  queue_.AddAfter(K("a"), 10ms);
  queue_.AddAfter(K("a"), 200ms);
  clock_.Advance(10ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
  clock_.Advance(1h);
  EXPECT_THAT(Drain(), ElementsAre());
}

TEST_F(WorkQueueTest, FailuresWaitTwiceAsLongEachTimeUntilForgotten) {
  for (const auto wait : {5ms, 10ms, 20ms, 40ms}) {
    queue_.AddRateLimited(K("a"));
    clock_.Advance(wait - 1ms);
    EXPECT_THAT(Drain(), ElementsAre());
    clock_.Advance(1ms);
    EXPECT_THAT(Drain(), ElementsAre("a"));
  }
  queue_.Forget(K("a"));
  queue_.AddRateLimited(K("a"));
  clock_.Advance(5ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, BackoffEndsAtAThousandSeconds) {
  for (int i = 0; i < 100; ++i) {
    queue_.AddRateLimited(K("a"));
    clock_.Advance(1000s);
    ASSERT_THAT(Drain(), ElementsAre("a")) << i;
  }
}

TEST_F(WorkQueueTest, AServersRetryAfterIsALowerBound) {
  queue_.AddRateLimited(K("a"), kNormalPriority, 3s);
  clock_.Advance(2999ms);
  EXPECT_THAT(Drain(), ElementsAre());
  clock_.Advance(1ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, NothingComesUpBeforeAServersRetryAfterIsOver) {
  queue_.Add(K("a"));
  ASSERT_EQ(Take(), "a");
  queue_.Add(K("a"));  // an event while it is worked on
  queue_.AddRateLimited(K("a"), kNormalPriority, 3s);
  queue_.Done(K("a"));
  queue_.Add(K("a"));  // and one afterwards
  clock_.Advance(2999ms);
  EXPECT_EQ(Take(), std::nullopt);
  clock_.Advance(1ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, WhatIsForgottenComesUpAtOnce) {
  queue_.AddRateLimited(K("a"), kNormalPriority, 3s);
  queue_.Forget(K("a"));
  queue_.Add(K("a"));
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, ARetryAskedForDuringWorkWaitsItsTime) {
  queue_.Add(K("a"));
  EXPECT_EQ(Take(), "a");
  queue_.AddRateLimited(K("a"));
  queue_.Done(K("a"));
  EXPECT_THAT(Drain(), ElementsAre());
  clock_.Advance(5ms);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, FarFuturesDoNotOverflow) {
  queue_.AddAfter(K("a"), std::chrono::milliseconds::max());
  EXPECT_THAT(Drain(), ElementsAre());
}

TEST_F(WorkQueueTest, EveryWaiterIsWokenByStop) {
  std::stop_source stop;
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] { EXPECT_EQ(queue_.Get(stop.get_token()), std::nullopt); });
  }
  clock_.AwaitWaiters(3);
  stop.request_stop();
}

TEST_F(WorkQueueTest, AWaiterGetsWhatIsAddedAndWhatBecomesDue) {
  std::optional<WorkQueue::Item> item;
  std::jthread waiter([&] { item = queue_.Get({}); });
  clock_.AwaitWaiters(1);
  queue_.AddAfter(K("a"), 50ms);
  clock_.Advance(50ms);
  waiter.join();
  ASSERT_TRUE(item);
  EXPECT_EQ(item->key.name, "a");
}

TEST_F(WorkQueueTest, NoTwoWorkersHoldOneKey) {
  std::atomic<int> holders = 0;
  std::atomic<int> worked = 0;
  std::stop_source stop;
  std::vector<std::jthread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (const auto item = queue_.Get(stop.get_token())) {
        EXPECT_EQ(holders.fetch_add(1), 0);
        holders.fetch_sub(1);
        if (++worked == 500) stop.request_stop();
        queue_.Add(item->key);
        queue_.Done(item->key);
      }
    });
  }
  queue_.Add(K("a"));
  workers.clear();
  EXPECT_GE(worked, 500);
}

TEST_F(WorkQueueTest, MetricsTellDepthAndWorkInHand) {
  queue_.Add(K("a"), kLowPriority);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("workqueue_depth{controller=\"test\",name=\"test\",priority=\"-100\"} 1"));
  Take();
  clock_.Advance(3s);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("workqueue_longest_running_processor_seconds{controller=\"test\",name=\"test\"} 3"));
}

}  // namespace
}  // namespace pilotlight::kube
