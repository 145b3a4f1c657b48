#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "sidecar/engine/sandbox/sandbox.h"

namespace pilotlight::engine::sandbox::testing {

// How an attempt in the sandbox ended.
struct Outcome {
  std::string call;  // the violation that was reported, if one was
  std::string purpose;
  int exit = -1;   // what the attempt returned; kViolationExit after a violation
  int signal = 0;  // what ended it otherwise

  bool operator==(const Outcome&) const = default;
};

// One that came to its end and returned `code`; one that was ended by a call it may not make.
Outcome returned(int code);
Outcome violation(std::string call, std::string purpose);

void PrintTo(const Outcome& outcome, std::ostream* out);  // for GoogleTest

// Runs `attempt` in a child process that has entered the sandbox. `before` runs in it earlier; Options'
// socket is the child's own.
Outcome attempt(const std::function<int()>& attempt, Options options = {.socket = -1},
                const std::function<void()>& before = {});

}  // namespace pilotlight::engine::sandbox::testing
