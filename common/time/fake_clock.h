// Time that stands still until a test moves it.
//
// Thread-safety: all members may be called from any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "common/time/clock.h"

namespace pilotlight {

class FakeClock final : public Clock {
 public:
  Wall Now() const override;
  Instant Monotonic() const override;
  bool Wait(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed, std::stop_token stop,
            std::optional<Instant> deadline, const std::function<bool()>& ready) override;

  // Moves both clocks. Whoever waits for a time that is now past goes on, in its own thread.
  void Advance(Duration duration);
  // Whether at least `count` threads wait on this clock, each for something that is not yet due: nobody has
  // anything to do before the next Advance.
  bool Settled(int count) const;
  // Returns when it is so: a test's way to know that everybody has got there.
  void AwaitWaiters(int count) const;
  // Moves the wall clock alone, as an administrator or NTP does.
  void JumpWall(Duration duration);

 private:
  mutable std::mutex mutex_;
  std::multiset<Instant> deadlines_;  // of those who wait; guarded by mutex_
  std::atomic<Duration> elapsed_{Duration::zero()};
  std::atomic<Duration> wall_offset_{Duration::zero()};
};

}  // namespace pilotlight
