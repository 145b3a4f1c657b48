#include "common/time/clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "common/time/fake_clock.h"

namespace pilotlight {
namespace {

using namespace std::chrono_literals;

TEST(SystemClock, SleepEndsAtOnceWhenStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(SystemClock().Sleep(1h, stop.get_token()));
}

TEST(SystemClock, SleepLastsAsLongAsAsked) {
  const auto start = SystemClock().Monotonic();
  EXPECT_TRUE(SystemClock().Sleep(2ms, {}));
  EXPECT_GE(SystemClock().Monotonic() - start, 2ms);
}

TEST(FakeClock, ASleeperWakesWhenTimeIsMoved) {
  FakeClock clock;
  std::atomic<bool> slept = false;
  std::jthread sleeper([&] { slept = clock.Sleep(1h, {}); });
  clock.AwaitWaiters(1);
  clock.Advance(59min);
  EXPECT_FALSE(slept);
  clock.Advance(1min);
  sleeper.join();
  EXPECT_TRUE(slept);
}

TEST(FakeClock, AJumpOfTheWallClockIsNotTimePassing) {
  FakeClock clock;
  const auto wall = clock.Now();
  const auto instant = clock.Monotonic();
  clock.JumpWall(-1h);
  EXPECT_EQ(clock.Now(), wall - 1h);
  EXPECT_EQ(clock.Monotonic(), instant);
}

}  // namespace
}  // namespace pilotlight
