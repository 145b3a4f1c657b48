#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "sidecar/front/status.h"
#include "sidecar/front/timers.h"
#include "sidecar/wire/recheck.h"

namespace pilotlight::front {

// So that of the engine's time no more than a tenth goes into golden cases, however many there are.
inline constexpr int kPausesForEachGoldenCase = 9;

// Has the engine that serves run its golden cases once more, in each interval: a machine that has begun to
// compute wrongly, and a model that changes, give other answers than those they were let in for. A failure
// counts once the same case has failed twice running. Runs on the loop's thread.
class Recheck {
 public:
  // Null: the engine was lost over it.
  using Answered = std::function<void(const wire::Rechecked*)>;

  struct Outlets {
    // Runs one case, and calls back from then on; false if it cannot be run now.
    std::function<bool(std::uint64_t golden_case, Answered)> ask;
    // All cases have passed, or one has failed.
    std::function<void(RecheckReport)> ended;
    // A case failed once and passed then.
    std::function<void()> unconfirmed;
  };

  // An interval of 0: never.
  Recheck(Timers& timers, std::chrono::duration<double> interval, Outlets outlets);

  // An engine that has just proven itself with so many golden cases serves.
  void serving(std::uint64_t cases);
  // It is no more.
  void lost();

 private:
  void wait();
  void begin();
  void ask(bool again);
  void answered(const wire::Rechecked& result, bool again);

  Timers& timers_;
  std::chrono::duration<double> interval_;
  Outlets outlets_;
  std::uint64_t cases_ = 0;
  std::uint64_t at_ = 0;  // the case that is run, or is next
  nlohmann::json worst_;  // of this time's
  Timers::Clock::time_point asked_;
  Timers::Handle next_;
};

// The status document's part about it.
nlohmann::json to_json(const RecheckReport& report);

}  // namespace pilotlight::front
