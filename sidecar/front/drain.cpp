#include "sidecar/front/drain.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace pilotlight::front {
namespace {
constexpr std::chrono::milliseconds kPoll{50};
}

Drain::Drain(std::vector<http::Listener*> listeners, Timers& timers, Times times, std::function<void()> done)
    : listeners_(std::move(listeners)), timers_(timers), times_(times), done_(std::move(done)) {}

void Drain::begin() {
  if (begun_) return;
  begun_ = true;
  since_ = timers_.now();
  for (auto* listener : listeners_) listener->close_after_answers();
  wait_for_quiet();
}

Timers::Clock::time_point Drain::last_accepted() const {
  return std::ranges::max(listeners_ | std::views::transform(&http::Listener::last_accepted));
}

bool Drain::answering() const {
  return std::ranges::any_of(listeners_, [](const auto* each) { return each->connections() > 0; });
}

void Drain::wait_for_quiet() {
  const auto now = timers_.now();
  const bool quiet = now - std::max(last_accepted(), since_) >= times_.quiet && now - since_ >= times_.least;
  if (!quiet && now - since_ < times_.most) {
    next_ = timers_.after(kPoll, [this] { wait_for_quiet(); });
    return;
  }
  for (auto* listener : listeners_) listener->stop_accepting();
  since_ = now;
  wait_for_answers();
}

void Drain::wait_for_answers() {
  if (answering() && timers_.now() - since_ < times_.finish) {
    next_ = timers_.after(kPoll, [this] { wait_for_answers(); });
    return;
  }
  done_();
}

}  // namespace pilotlight::front
