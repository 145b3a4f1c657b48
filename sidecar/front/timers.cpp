#include "sidecar/front/timers.h"

#include <boost/asio/steady_timer.hpp>

namespace pilotlight::front {

Timers::Handle LoopTimers::after(std::chrono::duration<double> delay, std::function<void()> call) {
  auto timer =
      std::make_shared<boost::asio::steady_timer>(io_, std::chrono::duration_cast<Clock::duration>(delay));
  // The handler holds no share, so that giving up the handle destroys the timer. A timer that has already
  // fired when it is destroyed still delivers success: hence the look whether it is there.
  timer->async_wait([weak = std::weak_ptr(timer), call = std::move(call)](boost::system::error_code failed) {
    if (!failed && !weak.expired()) call();
  });
  return timer;
}

}  // namespace pilotlight::front
