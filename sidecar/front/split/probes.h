#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "sidecar/front/recheck.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// Golden requests of a candidate while nobody else asks it anything: with too little traffic, whether its
// answers are right would be known by nobody. Counted by themselves: who asks for them decides what they are
// worth. At most a tenth of the engine's time goes into them. Runs on the loop's thread.
class Probes {
 public:
  struct Outlets {
    // Runs one golden case, and calls back from then on; false if it cannot be run now.
    std::function<bool(std::uint64_t golden_case, Recheck::Answered)> ask;
    // How many inferences there have been, these among them.
    std::function<std::uint64_t()> inferences;
  };
  Probes(Timers& timers, Outlets outlets);

  // One in each `every` that has no other inference, until then. An `every` of 0: none.
  void order(std::chrono::duration<double> every, std::chrono::system_clock::time_point until);
  // An engine that has just proven itself with so many golden cases serves.
  void serving(std::uint64_t cases);
  // It is no more.
  void lost();

  // Since the front has started. One that fails is run once more, and both are one.
  std::uint64_t requests() const { return requests_; }
  std::uint64_t bad() const { return bad_; }

 private:
  void wait();
  void due();
  void ask(bool again);
  void answered(const wire::Rechecked& result, bool again);

  Timers& timers_;
  Outlets outlets_;
  std::chrono::duration<double> every_{0};
  std::chrono::system_clock::time_point until_;
  std::uint64_t cases_ = 0;
  std::uint64_t at_ = 0;    // the case that is run, or is next
  std::uint64_t seen_ = 0;  // how many inferences there were when it was last its turn
  std::uint64_t requests_ = 0;
  std::uint64_t bad_ = 0;
  bool asking_ = false;
  Timers::Clock::time_point asked_;
  std::chrono::duration<double> took_{0};
  Timers::Handle next_;
};

}  // namespace pilotlight::front
