#include "common/time/fake_clock.h"

#include <thread>

namespace pilotlight {
namespace {

// 2026-01-01T00:00:00Z: readable in a failing test's output.
constexpr Clock::Wall kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

}  // namespace

Clock::Wall FakeClock::Now() const {
  return kStart + std::chrono::duration_cast<Wall::duration>(elapsed_.load() + wall_offset_.load());
}

Clock::Instant FakeClock::Monotonic() const {
  return Instant(std::chrono::hours(1)) + elapsed_.load();
}

bool FakeClock::Wait(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                     std::stop_token stop, std::optional<Instant> deadline,
                     const std::function<bool()>& ready) {
  const Instant due = deadline.value_or(Instant::max());
  {
    const std::scoped_lock own(mutex_);
    deadlines_.insert(due);
  }
  // The clock does not know who waits on what, so a waiter looks at the (fake) time every real millisecond.
  while (!ready() && !stop.stop_requested() && (!deadline || Monotonic() < *deadline)) {
    changed.wait_for(lock, stop, std::chrono::milliseconds(1), ready);
  }
  {
    const std::scoped_lock own(mutex_);
    deadlines_.erase(deadlines_.find(due));
  }
  return ready();
}

void FakeClock::AwaitWaiters(int count) const {
  while (!Settled(count)) std::this_thread::yield();
}

bool FakeClock::Settled(int count) const {
  const std::scoped_lock lock(mutex_);
  return std::ssize(deadlines_) >= count && (deadlines_.empty() || *deadlines_.begin() > Monotonic());
}

void FakeClock::Advance(Duration duration) {
  Duration old = elapsed_.load();
  while (!elapsed_.compare_exchange_weak(old, old + duration)) {
  }
}

void FakeClock::JumpWall(Duration duration) {
  wall_offset_ = wall_offset_.load() + duration;
}

}  // namespace pilotlight
