// Until when we may write, which is as long as nobody else can have taken our lease.
//
// A process that stood still (a paused machine, SIGSTOP, a full disk) wakes up in the middle of its work and
// would go on with it before anybody in it has looked at the clock. Here each write looks first.
// Thread-safety: all members may be called from any thread.
#pragma once

#include <atomic>

#include "common/time/clock.h"
#include "operator/kube/transport.h"

namespace pilotlight::kube {

class Mandate {
 public:
  // Nothing may be written before it is given.
  explicit Mandate(const Clock& clock) : clock_(clock) {}

  void GiveUntil(Clock::Instant until) { until_ = until; }
  void End() { until_ = Clock::Instant::min(); }
  bool Holds() const { return clock_.Monotonic() < until_.load(); }

 private:
  const Clock& clock_;
  std::atomic<Clock::Instant> until_{Clock::Instant::min()};
};

// Lets reads through always, and writes while the mandate holds; later ones are a Timeout, and never sent.
class MandatedTransport final : public Transport {
 public:
  MandatedTransport(Transport& transport, const Mandate& mandate)
      : transport_(transport), mandate_(mandate) {}

  Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                            const std::stop_token& stop) override {
    if (request.method != "GET" && !mandate_.Holds()) {
      return std::unexpected(
          Error{.code = ErrorCode::Timeout,
                .message = request.method + " " + request.target + " was not sent: another may lead by now"});
    }
    return transport_.Call(request, options, stop);
  }
  Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                      const std::stop_token& stop) override {
    return transport_.Stream(request, options, sink, stop);
  }

 private:
  Transport& transport_;
  const Mandate& mandate_;
};

}  // namespace pilotlight::kube
