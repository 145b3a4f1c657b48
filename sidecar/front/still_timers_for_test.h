#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "sidecar/front/timers.h"

namespace pilotlight::front::testing {

// Time that moves when it is told to. Not thread-safe.
class StillTimers final : public Timers {
 public:
  Clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'800'000'000) +
                                                 now_.time_since_epoch());
  }
  Handle after(std::chrono::duration<double> delay, std::function<void()> call) override {
    const auto due = now_ + std::chrono::duration_cast<Clock::duration>(delay);
    const auto timer = std::make_shared<Timer>(due, std::move(call));
    timers_.push_back(timer);
    return timer;
  }
  void pass(Clock::duration time) {
    const auto end = now_ + time;
    for (auto next = soonest(); next && next->due <= end; next = soonest()) {
      now_ = next->due;
      const auto call = std::exchange(next->call, nullptr);
      next.reset();
      call();
    }
    now_ = end;
  }

 private:
  struct Timer {
    Timer(Clock::time_point when, std::function<void()> what) : due(when), call(std::move(what)) {}
    Clock::time_point due;
    std::function<void()> call;
  };
  std::shared_ptr<Timer> soonest() const {
    std::shared_ptr<Timer> result;
    for (const auto& one : timers_) {
      const auto timer = one.lock();
      if (timer && timer->call && (!result || timer->due < result->due)) result = timer;
    }
    return result;
  }
  Clock::time_point now_;
  std::vector<std::weak_ptr<Timer>> timers_;
};

}  // namespace pilotlight::front::testing
