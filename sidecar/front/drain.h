#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "common/http/listener.h"
#include "sidecar/front/timers.h"

namespace pilotlight::front {

// Leaves a Service without losing a request. That the pod is unready takes a while to reach every client, so
// the listeners go on accepting and answering, each answer with Connection: close, until no new connection
// has come for a while; only then do they close, and what is in flight finishes. Runs on the loop's thread.
class Drain {
 public:
  struct Times {
    std::chrono::milliseconds quiet{2000};  // without a new connection
    std::chrono::milliseconds least{3000};
    std::chrono::milliseconds most{20000};
    std::chrono::duration<double> finish{30};  // for what is in flight then
  };

  // The listeners must outlive it. `done` is called once nothing is in flight, or `finish` has passed.
  Drain(std::vector<http::Listener*> listeners, Timers& timers, Times times, std::function<void()> done);
  void begin();
  bool begun() const { return begun_; }

 private:
  void wait_for_quiet();
  void wait_for_answers();

  Timers::Clock::time_point last_accepted() const;
  bool answering() const;

  std::vector<http::Listener*> listeners_;
  Timers& timers_;
  Times times_;
  std::function<void()> done_;
  bool begun_ = false;
  Timers::Clock::time_point since_;
  Timers::Handle next_;
};

}  // namespace pilotlight::front
