#include "sidecar/front/drain.h"

#include <algorithm>
#include <utility>

namespace pilotlight::front {
namespace {
constexpr std::chrono::milliseconds kPoll{50};
}

Drain::Drain(http::Listener& listener, Timers& timers, Times times, std::function<void()> done)
    : listener_(listener), timers_(timers), times_(times), done_(std::move(done)) {}

void Drain::begin() {
  if (begun_) return;
  begun_ = true;
  since_ = timers_.now();
  listener_.close_after_answers();
  wait_for_quiet();
}

void Drain::wait_for_quiet() {
  const auto now = timers_.now();
  const bool quiet =
      now - std::max(listener_.last_accepted(), since_) >= times_.quiet && now - since_ >= times_.least;
  if (!quiet && now - since_ < times_.most) {
    next_ = timers_.after(kPoll, [this] { wait_for_quiet(); });
    return;
  }
  listener_.stop_accepting();
  since_ = now;
  wait_for_answers();
}

void Drain::wait_for_answers() {
  if (listener_.connections() > 0 && timers_.now() - since_ < times_.finish) {
    next_ = timers_.after(kPoll, [this] { wait_for_answers(); });
    return;
  }
  done_();
}

}  // namespace pilotlight::front
