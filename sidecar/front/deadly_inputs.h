#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "sidecar/front/inputs.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// How an engine came to its end.
enum class EngineEnd {
  kCrashed,  // by itself: what it was at is to blame
  kKilled,   // by us, by the kernel, by a person, by its device: what it was at may be to blame
};

// The inputs that engines have ended with, so that one caller's retries do not keep the model from all others
// ("query of death"). Those of a crash are refused from then on, those of a killed engine from the second
// time on, unless they were answered in between, for ten minutes. They are told by a SHA-256 over datatypes,
// shapes and elements: the same numbers in JSON and in binary are the same. Runs on the loop's thread.
class DeadlyInputs {
 public:
  explicit DeadlyInputs(const Timers& timers) : timers_(timers) {}

  void ended_with(const Inputs& inputs, EngineEnd end);
  // Costs nothing while no engine has ended.
  bool refuses(const Inputs& inputs);
  // They were answered: that the engine was once killed with them was not their doing. As cheap.
  void answered(const Inputs& inputs);

 private:
  struct Record {
    bool refused = false;
    Timers::Clock::time_point until;
  };

  void forget_old();

  const Timers& timers_;
  std::unordered_map<std::string, Record> records_;
};

}  // namespace pilotlight::front
