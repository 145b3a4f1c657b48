#include "operator/kube/controller.h"

#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/metrics.h"
#include "operator/kube/store.h"
#include "operator/kube/work_queue.h"
#include "operator/kube/write_gate.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Key kKey{"ns", "n"};

class ControllerTest : public testing::Test {
 protected:
  // Runs until `reconcile` has been called `calls` times, moving the clock on whenever everybody waits.
  void RunFor(int calls, const std::function<ReconcileResult(int call)>& reconcile, WriteGate* gate = nullptr,
              const std::function<void()>& between = {}) {
    std::atomic<int> count = 0;
    std::stop_source stop;
    Controller controller({.name = "test",
                           .workers = 1,
                           .reconcile =
                               [&](const ReconcileContext& context) {
                                 EXPECT_EQ(context.key, kKey);
                                 times_.push_back(clock_.Monotonic());
                                 const int call = ++count;
                                 auto result = reconcile(call);
                                 if (call == calls) last_ = true;
                                 return result;
                               },
                           .gate = gate},
                          clock_, metrics_);
    controller.queue().Add(kKey);
    std::jthread runner([&] { controller.Run(stop.get_token()); });
    while (!last_) {
      if (between) between();
      clock_.Advance(1ms);
      std::this_thread::yield();
    }
    stop.request_stop();
    runner.join();
    text_ = metrics_.Text();
  }

  FakeClock clock_;
  Metrics metrics_;
  std::vector<Clock::Instant> times_;
  std::atomic<bool> last_ = false;
  std::string text_;
};

TEST_F(ControllerTest, AnErrorIsTriedAgain) {
  RunFor(3, [](int call) { return call < 3 ? ReconcileResult::Failed("no") : ReconcileResult::Done(); });
  EXPECT_EQ(times_.size(), 3U);
  EXPECT_GE(times_[1] - times_[0], 5ms);
  EXPECT_GE(times_[2] - times_[1], 10ms);
  EXPECT_THAT(text_, HasSubstr("controller_runtime_reconcile_errors_total{controller=\"test\"} 2"));
}

TEST_F(ControllerTest, AnExceptionIsAnError) {
  RunFor(2, [](int call) -> ReconcileResult {
    if (call == 1) throw std::runtime_error("bug");
    return ReconcileResult::Done();
  });
  EXPECT_THAT(text_, HasSubstr("controller_runtime_reconcile_panics_total{controller=\"test\"} 1"));
}

TEST_F(ControllerTest, RequeueAfterComesBackThen) {
  RunFor(2, [](int) { return ReconcileResult::RequeueAfter(70ms); });
  EXPECT_GE(times_[1] - times_[0], 70ms);
  EXPECT_THAT(text_, HasSubstr("result=\"requeue_after\""));
}

TEST_F(ControllerTest, ATerminalErrorIsNotTriedAgain) {
  FakeClock& clock = clock_;
  std::atomic<int> calls = 0;
  std::stop_source stop;
  Controller controller({.name = "test",
                         .workers = 1,
                         .reconcile =
                             [&](const ReconcileContext&) {
                               ++calls;
                               return ReconcileResult::Terminal("never");
                             }},
                        clock, metrics_);
  controller.queue().Add(kKey);
  std::jthread runner([&] { controller.Run(stop.get_token()); });
  while (calls == 0) std::this_thread::yield();
  clock.AwaitWaiters(1);
  clock.Advance(1h);
  clock.AwaitWaiters(1);
  EXPECT_EQ(controller.queue().size(), 0U);
  stop.request_stop();
  runner.join();
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("controller_runtime_terminal_reconcile_errors_total{controller=\"test\"} 1"));
}

class LaggingView final : public StoreView {
 public:
  std::optional<Version> VersionOf(const Key& /*key*/) const override { return std::nullopt; }
  std::string SeenUpTo(const std::string& /*ns*/) const override { return std::to_string(seen.load()); }
  std::atomic<int> seen = 1;
};

TEST_F(ControllerTest, AKeyWaitsUntilItsWritesWereSeen) {
  LaggingView view;
  WriteGate gate(clock_, 1h);
  gate.Wrote(kKey, view, kKey, "2");
  int looks = 0;
  RunFor(
      1,
      [&](int) {
        EXPECT_EQ(view.seen, 2);
        return ReconcileResult::Done();
      },
      &gate,
      [&] {
        if (++looks == 300) view.seen = 2;
      });
  EXPECT_THAT(text_, HasSubstr("stale_sync_skips_total"));
}

TEST_F(ControllerTest, StopsWhileWorkersAreInEveryState) {
  std::latch working(1);
  std::stop_source stop;
  Controller controller({.name = "test",
                         .workers = 3,
                         .reconcile =
                             [&](const ReconcileContext& context) {
                               working.count_down();
                               std::mutex mutex;
                               std::condition_variable_any never;
                               std::unique_lock lock(mutex);
                               never.wait(lock, context.stop, [] { return false; });
                               return ReconcileResult::Failed("stopped");
                             }},
                        clock_, metrics_);
  controller.queue().Add(kKey);
  controller.queue().AddAfter({"ns", "later"}, 1h);
  std::jthread runner([&] { controller.Run(stop.get_token()); });
  working.wait();
  stop.request_stop();
  runner.join();
}

}  // namespace
}  // namespace pilotlight::kube
