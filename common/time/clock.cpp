#include "common/time/clock.h"

namespace pilotlight {
namespace {

class RealClock final : public Clock {
 public:
  Wall Now() const override { return std::chrono::system_clock::now(); }
  Instant Monotonic() const override { return std::chrono::steady_clock::now(); }
  bool Wait(std::unique_lock<std::mutex>& lock, std::condition_variable_any& changed, std::stop_token stop,
            std::optional<Instant> deadline, const std::function<bool()>& ready) override {
    if (deadline) return changed.wait_until(lock, std::move(stop), *deadline, ready);
    return changed.wait(lock, std::move(stop), ready);
  }
};

}  // namespace

bool Clock::Sleep(Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  Wait(lock, never, stop, Monotonic() + duration, [] { return false; });
  return !stop.stop_requested();
}

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace pilotlight
