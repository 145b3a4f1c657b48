// Time, as something that is handed in: the machine's in programs, a fake one (fake_clock.h) in tests.
//
// Thread-safety: all members may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>

namespace pilotlight {

class Clock {
 public:
  using Wall = std::chrono::system_clock::time_point;     // what people read; may jump
  using Instant = std::chrono::steady_clock::time_point;  // what deadlines are measured by; never goes back
  using Duration = std::chrono::steady_clock::duration;

  virtual ~Clock() = default;
  virtual Wall Now() const = 0;
  virtual Instant Monotonic() const = 0;

  // Waits, with `lock` released, until `ready()`, or the deadline (none: for ever), or a stop.
  // `ready` is called with `lock` held. Returns what it last said.
  virtual bool Wait(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed,
                    std::stop_token stop, std::optional<Instant> deadline,
                    const std::function<bool()>& ready) = 0;

  // True after `duration`; false, at once, when stopped.
  bool Sleep(Duration duration, const std::stop_token& stop);
};

// The machine's clock. Lives as long as the program.
Clock& SystemClock();

}  // namespace pilotlight
