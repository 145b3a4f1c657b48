#include "sidecar/front/split/probes.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "common/text/printable.h"

namespace pilotlight::front {

Probes::Probes(Timers& timers, Outlets outlets) : timers_(timers), outlets_(std::move(outlets)) {}

void Probes::order(std::chrono::duration<double> every, std::chrono::system_clock::time_point until) {
  const bool same = every == every_ && next_ != nullptr;
  every_ = every;
  until_ = until;
  if (!same) wait();  // who is told again and again to go on is not to wait for ever
}

void Probes::serving(std::uint64_t cases) {
  cases_ = cases;
  at_ = 0;
  wait();
}

void Probes::lost() {
  cases_ = 0;
  next_.reset();
}

void Probes::wait() {
  next_.reset();
  if (asking_ || every_.count() <= 0 || cases_ == 0 || timers_.wall() >= until_) return;
  next_ = timers_.after(std::max(every_, took_ * kPausesForEachGoldenCase), [this] { due(); });
}

void Probes::due() {
  const std::uint64_t inferences = outlets_.inferences();
  if (std::exchange(seen_, inferences) != inferences) return wait();
  ask(false);
}

void Probes::ask(bool again) {
  asked_ = timers_.now();
  asking_ = outlets_.ask(at_, [this, again](const wire::Rechecked* result) {
    asking_ = false;
    // With the engine the case is lost; another one proves itself first.
    if (result != nullptr) answered(*result, again);
  });
  seen_ = outlets_.inferences();
  if (!asking_) wait();
}

void Probes::answered(const wire::Rechecked& result, bool again) {
  took_ = timers_.now() - asked_;
  if (result.failure && result.failure->reason == "OutOfMemory") return wait();  // nothing was found out
  if (result.failure && !again) return ask(true);
  ++requests_;
  if (result.failure) {
    ++bad_;
    log::Warn("A golden request fails", {{"reason", Printable(result.failure->reason, 100)},
                                         {"message", Printable(result.failure->message, 2000)}});
  }
  at_ = (at_ + 1) % cases_;
  wait();
}

}  // namespace pilotlight::front
